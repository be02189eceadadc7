"""One process that forks for all tests of this folder, which run in one process for its sake."""

from pathlib import Path

import pytest

from benchmarks.faults import Workshop


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.xdist_group("faults"))


@pytest.fixture(scope="session")
def workshop(tmp_path_factory):
    with Workshop(tmp_path_factory.mktemp("faults")) as made:
        yield made
