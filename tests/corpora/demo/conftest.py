from collections.abc import Callable

import pytest

from erc_core.params.data import DemoParams, SplitSizes


@pytest.fixture(scope="session")
def demo_params() -> Callable[..., DemoParams]:
    def make(train: int = 3, dev: int = 2, test: int = 2, **changes: object) -> DemoParams:
        values = {
            "seed": 0,
            "min_turns": 4,
            "max_turns": 12,
            "speakers": 6,
            "persistence": 0.35,
            "word_noise": 0.04,
            "prosody_noise": 0.04,
            "damaged_clips": True,
        }
        return DemoParams(dialogues=SplitSizes(train=train, dev=dev, test=test), **values | changes)

    return make
