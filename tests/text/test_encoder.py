import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from closure import ROOT
from transformers import RobertaConfig, RobertaModel

from erc_core.errors import ErcError
from erc_core.params.backbones import PretrainedTextEncoder, TextEncoderFromConfig
from erc_core.text.encoder import FrozenTextEncoder, load_text_encoder, make_text_encoder, save_text_encoder

KEY = "backbones.tiny.text_encoder"
CPU = torch.device("cpu")
PARAMS = TextEncoderFromConfig(
    source="config", width=32, depth=3, heads=4, mlp_ratio=2.0, vocab_size=400, layer=2, seed=0
)


def utterances(*lengths: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [
        np.concatenate([[0], rng.integers(5, 300, length - 2), [2]]).astype(np.int32) if length else np.zeros(0, int)
        for length in lengths
    ]


def made(**changes: object) -> torch.nn.Module:
    return make_text_encoder(PARAMS.model_copy(update=changes), KEY, vocab_size=300)


def weights(model: torch.nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


@pytest.fixture(scope="module")
def encoder() -> FrozenTextEncoder:
    return FrozenTextEncoder(made(), CPU)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Return a folder with a RoBERTa of three layers, as a pretrained one would lie there."""
    config = RobertaConfig(
        vocab_size=300,
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=66,
        pad_token_id=1,
    )
    folder = tmp_path_factory.mktemp("roberta")
    RobertaModel(config).save_pretrained(folder)
    return folder


def test_batches_give_what_one_by_one_gives_in_the_order_given(encoder):
    batch = utterances(5, 3, 40, 2, 512, 3, 9)
    alone = [encoder([utterance], 1)[0] for utterance in batch]
    assert [a.shape for a in alone] == [(len(u), 32) for u in batch]
    for size in (1, 2, 3, 100):
        together = encoder(batch, size)
        for one, other in zip(alone, together, strict=True):
            assert other.dtype == np.float16
            np.testing.assert_allclose(other.astype(np.float32), one.astype(np.float32), rtol=0, atol=2e-3)
    # different utterances are far apart, so a wrong order would show
    assert np.abs(alone[1].astype(np.float32) - alone[5].astype(np.float32)).max() > 0.1


def test_no_utterances_give_no_embeddings(encoder):
    assert encoder([], 8) == []


def test_it_is_frozen_and_deterministic(encoder):
    assert not any(parameter.requires_grad for parameter in encoder.model.parameters())
    assert not any(module.training for module in encoder.model.modules())  # no dropout
    batch = utterances(7, 3, 12)
    state = torch.get_rng_state()
    first, second = encoder(batch, 2), encoder(batch, 2)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert torch.equal(torch.get_rng_state(), state)


def test_the_result_does_not_hold_on_to_its_batch(encoder):
    assert all(embedding.base is None for embedding in encoder(utterances(3, 30), 2))


def test_weights_come_from_the_seed_and_from_nothing_else():
    first = weights(made())
    torch.manual_seed(123)
    torch.rand(7)
    assert torch.equal(weights(made()), first)
    assert not torch.equal(weights(made(seed=1)), first)


def test_making_weights_leaves_the_random_numbers_of_others_alone():
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    made()
    assert torch.equal(torch.rand(4), expected)


def test_tokens_are_told_apart_without_training(encoder):
    (embedding,) = encoder([np.array([0, 10, 11, 12, 13, 2], np.int32)], 1)
    normed = embedding.astype(np.float32)
    normed /= np.linalg.norm(normed, axis=1, keepdims=True)
    cosines = (normed @ normed.T)[~np.eye(6, dtype=bool)]
    assert cosines.max() < 0.9


def test_a_token_depends_on_its_context_without_training(encoder):
    one, other = encoder([np.array([0, a, 11, b, 2], np.int32) for a, b in ((10, 12), (110, 112))], 2)
    one, other = one[2].astype(np.float32), other[2].astype(np.float32)
    assert 0.1 < np.linalg.norm(one - other) / np.linalg.norm(one) < 1


def test_layers_after_the_one_to_read_are_not_built(encoder):
    assert len(encoder.model.encoder.layer) == PARAMS.layer
    assert encoder.width == 32


def test_a_saved_encoder_gives_the_same(tmp_path, encoder, capfd):
    save_text_encoder(encoder.model, tmp_path)
    capfd.readouterr()
    state = torch.get_rng_state()
    loaded = FrozenTextEncoder(load_text_encoder(tmp_path), CPU)
    assert torch.equal(torch.get_rng_state(), state)
    assert "MISSING" not in "".join(capfd.readouterr())  # transformers' table of weights that it made up
    batch = utterances(5, 9)
    for one, other in zip(encoder(batch, 2), loaded(batch, 2), strict=True):
        assert np.array_equal(one, other)


def test_a_saved_encoder_names_no_version(tmp_path, encoder):
    """Training depends on these bytes: a new version of transformers alone would train everything anew."""
    save_text_encoder(encoder.model, tmp_path)
    assert "version" not in (tmp_path / "config.json").read_text(encoding="utf-8")


BYTES = """
import sys
import test_encoder as case
encoder = case.FrozenTextEncoder(case.made(), case.CPU, exact=True)
sys.stdout.buffer.write(b"".join(part.tobytes() for part in encoder(case.utterances(*range(20, 320)), 64)))
"""


@pytest.mark.slow
def test_an_exact_encoder_does_not_depend_on_the_instructions_that_the_cpu_has():
    """With AVX2 at most, and MKL's oldest code: in float32 hundreds of values differ."""
    old = {"ATEN_CPU_CAPABILITY": "avx2", "MKL_CBWR": "COMPATIBLE", "ONEDNN_MAX_CPU_ISA": "SSE41"}
    paths = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests"), str(ROOT / "tests/text")])}
    made = [
        subprocess.run(
            [sys.executable, "-c", BYTES], env=os.environ | paths | more, capture_output=True, check=True
        ).stdout
        for more in ({}, old)
    ]
    assert len(made[0]) > 100_000
    assert made[0] == made[1]


def test_a_saved_encoder_that_is_missing_or_damaged_is_told(tmp_path, encoder):
    with pytest.raises(ErcError, match="holds no encoder; the stage embed makes it"):
        load_text_encoder(tmp_path / "none")
    save_text_encoder(encoder.model, tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"x" * 50)
    with pytest.raises(ErcError, match=r"damaged .*run `python -m erc_core\.run\.mend .*`, then `dvc repro`") as caught:
        load_text_encoder(tmp_path)
    assert "\n" not in str(caught.value)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(ErcError, match="damaged"):
        load_text_encoder(tmp_path)


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_a_pretrained_encoder_is_read_at_its_layer(saved, layer):
    params = PretrainedTextEncoder(source="pretrained", name=str(saved), layer=layer)
    encoder = FrozenTextEncoder(make_text_encoder(params, KEY, vocab_size=0), CPU)
    (utterance,) = utterances(9)
    whole = RobertaModel.from_pretrained(saved).eval()
    with torch.inference_mode():
        states = whole(torch.from_numpy(utterance[None].astype(np.int64)), output_hidden_states=True).hidden_states
    np.testing.assert_allclose(
        encoder([utterance], 1)[0].astype(np.float32), states[layer][0].numpy(), rtol=0, atol=2e-3
    )
    assert len(encoder.model.encoder.layer) == layer


def test_a_layer_that_does_not_exist_is_told(saved):
    params = PretrainedTextEncoder(source="pretrained", name=str(saved), layer=4)
    with pytest.raises(ErcError, match=rf"^{KEY}\.layer = 4: '{saved}' has layers 1 to 3$"):
        make_text_encoder(params, KEY, vocab_size=0)


@pytest.mark.parametrize("damage", ["empty", "no weights", "damaged weights"])
def test_a_folder_that_cannot_be_loaded_is_told(tmp_path, saved, damage):
    folder = tmp_path / "roberta"
    shutil.copytree(saved, folder)
    if damage == "empty":
        (folder / "config.json").unlink()
    if damage == "damaged weights":
        (folder / "model.safetensors").write_bytes(b"x" * 50)
    else:
        (folder / "model.safetensors").unlink()
    params = PretrainedTextEncoder(source="pretrained", name=str(folder), layer=1)
    with pytest.raises(ErcError) as caught:
        make_text_encoder(params, KEY, vocab_size=0)
    assert str(caught.value).startswith(f"{KEY}.name = '{folder}': the folder is there but cannot be loaded (")
    assert "\n" not in str(caught.value)
