"""The exported model against the model: its module in torch, and the file in ONNX Runtime."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from closure import ROOT
from small_models import N_MELS, PATCH, TEXT_WIDTH, make_small, pretrained, randomize, save_vit, stacks_from_sizes
from tokenizers import Tokenizer
from transformers import BertConfig, BertModel, PreTrainedModel, RobertaConfig, RobertaModel

from erc_core.errors import ErcError
from erc_core.inference.processor import UtteranceProcessor
from erc_core.models.backbones import make_vit
from erc_core.models.classifier import UtteranceClassifier
from erc_core.params.backbones import PretrainedTextEncoder, TextEncoderFromConfig
from erc_core.params.load import load_params
from erc_core.sharing import onnx as export
from erc_core.sharing.onnx import export_onnx
from erc_core.sharing.onnx_check import BATCHES, LARGEST_DIFFERENCE, as_inputs, expected, made_up_batches
from erc_core.sharing.onnx_graph import DoubleGelu, ExportedModel
from erc_core.text.encoder import FrozenTextEncoder, make_text_encoder
from erc_core.text.tokens import learn_tokenizer

PARAMS = load_params(ROOT / "params.yaml")
MAX_TOKENS, TEMPERATURE = 12, 1.7
MODELS: list[dict[str, Any]] = [
    {},
    {"n_blocks": 1, "streams": "literal", "tied": False},
    {"n_blocks": 1, "joint_len": 0},
    {"modality": "T", "n_blocks": 1},
    {"modality": "A", "n_blocks": 1},
    {"fusion": "late", "vit_layers": 1},
    {"fusion": "cfa", "vit_layers": 1},
    {"fusion": "concatenate", "vit_layers": 1},
]


def named(model: dict[str, Any]) -> str:
    return "-".join(str(value) for value in model.values()) or "jfm"


def make_processor(encoder: PreTrainedModel | None = None) -> UtteranceProcessor:
    tokenizer = learn_tokenizer(["What's up, Zoë?", "hello there"], 300)
    if encoder is None:
        sizes = {
            "width": TEXT_WIDTH,
            "depth": 2,
            "heads": 2,
            "mlp_ratio": 2.0,
            "vocab_size": 300,
            "layer": 1,
            "seed": 0,
        }
        params = TextEncoderFromConfig(source="config", **sizes)
        frozen = FrozenTextEncoder(make_text_encoder(params, "x", 300), torch.device("cpu"), exact=True)
    else:
        frozen = FrozenTextEncoder(encoder, torch.device("cpu"))
    mel = PARAMS.mel.model_copy(update={"n_mels": N_MELS})
    return UtteranceProcessor(PARAMS.audio, mel, MAX_TOKENS, tokenizer, frozen)


@pytest.fixture(scope="module")
def processor() -> UtteranceProcessor:
    return make_processor()


def model_of(**switches: Any) -> UtteranceClassifier:
    return make_small(dtype=torch.float32, **switches).model


# ---- what is exported, in torch ----


@pytest.mark.parametrize("switches", MODELS, ids=named)
def test_the_exported_module_says_what_the_model_says(processor, switches):
    model = model_of(**switches)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    module = ExportedModel(model, processor.encoder.model, TEMPERATURE).eval()
    wanted = set(module.example().inputs)
    assert (
        wanted
        == {
            "T": {"token_ids", "tokens"},
            "A": {"mel", "frames"},
            "T+A": {"token_ids", "tokens", "mel", "frames"},
        }[model.config.model.modality]
    )
    seen = []
    for more, batch in enumerate(made_up_batches(model, processor)):
        inputs = {name: torch.from_numpy(value) for name, value in as_inputs(batch, wanted, more % 3).items()}
        with torch.no_grad():
            found = module(**inputs).numpy()
        seen.append(expected(model, processor, TEMPERATURE, batch))
        assert np.abs(found - seen[-1]).max() < 1e-5
    assert np.concatenate(seen).std(axis=0).max() > 0.01  # utterances differ in what is said of them
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_temperature_and_the_rounding_matter(processor):
    model = model_of()
    batch = made_up_batches(model, processor)[-1]
    module = ExportedModel(model, processor.encoder.model, 2 * TEMPERATURE).eval()
    inputs = {name: torch.from_numpy(value) for name, value in as_inputs(batch, set(module.example().inputs)).items()}
    with torch.no_grad():
        assert np.abs(module(**inputs).numpy() - expected(model, processor, TEMPERATURE, batch)).max() > 0.01
        rounded = module(**inputs)
        inputs["mel"] *= 1 + 2e-5  # far from the middle between two numbers of half precision, for most
        assert (module(**inputs) - rounded).abs().max() < 1e-3


def test_gelu_in_double():
    x = torch.linspace(-12, 12, 10_001, dtype=torch.float64)
    torch.testing.assert_close(DoubleGelu()(x), torch.nn.functional.gelu(x), rtol=0, atol=1e-13)


def test_made_up_utterances_go_from_the_shortest_to_the_longest(processor):
    model = model_of()
    batches = made_up_batches(model, processor)
    assert [len(batch) for batch in batches] == list(BATCHES)
    utterances = [utterance for batch in batches for utterance in batch]
    tokens, frames = ([len(part) for part in parts] for parts in zip(*utterances, strict=True))
    assert len(utterances) == 50
    assert (min(tokens), max(tokens)) == (2, MAX_TOKENS)
    assert (min(frames), max(frames)) == (0, model.config.max_frames)
    assert len(set(frames)) > 15
    assert not any(len(utterance.mel) for batch in batches[:2] for utterance in batch)
    again = made_up_batches(model, processor)
    assert all(np.array_equal(a.ids, b.ids) for a, b in zip(batches[-1], again[-1], strict=True))


# ---- without a file ----


def test_a_missing_package_is_one_line(monkeypatch, tmp_path, processor):
    monkeypatch.setattr(export, "find_spec", lambda name: None if name != "onnx" else name)
    with pytest.raises(ErcError) as caught:
        export_onnx(tmp_path / "model.onnx", model_of(), processor, 1.0, {})
    assert str(caught.value) == (
        'erc export needs onnxruntime, onnxscript: run `pip install "erc-core[onnx]"` '
        '(in a checkout: `pip install -e ".[onnx]"`)'
    )


def test_what_torch_cannot_export_is_one_line(monkeypatch, tmp_path, processor):
    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("no\nsuch\noperation")

    monkeypatch.setattr(torch.onnx, "export", fails)
    with pytest.raises(ErcError, match=r"^torch cannot export this model \(RuntimeError: no such operation\)$"):
        export_onnx(tmp_path / "model.onnx", model_of(), processor, 1.0, {})
    assert not list(tmp_path.iterdir())
    assert torch.backends.mha.get_fastpath_enabled()


# ---- the file ----


def check_file(path: Path, model: UtteranceClassifier, processor: UtteranceProcessor) -> onnxruntime.InferenceSession:
    """Run the file alone, on utterances that lie in other batches than those of the export's own check."""
    session = onnxruntime.InferenceSession(str(path))
    wanted = {node.name for node in session.get_inputs()}
    utterances = [utterance for batch in made_up_batches(model, processor) for utterance in batch]
    one_by_one = np.concatenate([expected(model, processor, TEMPERATURE, [utterance]) for utterance in utterances])
    for size in (1, 7, 50):
        found = [
            session.run(["probabilities"], as_inputs(utterances[start : start + size], wanted))[0]
            for start in range(0, len(utterances), size)
        ]
        assert np.abs(np.concatenate(found) - one_by_one).max() < LARGEST_DIFFERENCE
    return session


@pytest.mark.slow
@pytest.mark.parametrize("switches", MODELS, ids=named)
def test_onnx_runtime_says_what_torch_says(tmp_path, processor, switches, recwarn, caplog, capfd):
    model, path = model_of(**switches), tmp_path / "new" / "model.onnx"
    exported = export_onnx(path, model, processor, TEMPERATURE, {"fingerprint": "abc"})
    assert exported.difference < 1e-5
    assert exported.files == [path]
    assert [file.name for file in path.parent.iterdir()] == ["model.onnx"]
    assert not recwarn.list
    assert not caplog.records
    assert capfd.readouterr() == ("", "")
    session = check_file(path, model, processor)
    modality = model.config.model.modality
    shapes = {node.name: (node.type, node.shape) for node in session.get_inputs()}
    text = {"token_ids": ("tensor(int64)", ["B", "T"]), "tokens": ("tensor(int64)", ["B"])}
    speech = {"mel": ("tensor(float)", ["B", "F", N_MELS]), "frames": ("tensor(int64)", ["B"])}
    assert shapes == (text if "T" in modality else {}) | (speech if "A" in modality else {})
    facts = session.get_modelmeta().custom_metadata_map
    assert json.loads(facts["labels"]) == model.config.labels
    assert (facts["fingerprint"], facts["modality"], float(facts["temperature"])) == ("abc", modality, TEMPERATURE)
    if "T" in modality:
        assert int(facts["max_tokens"]) == MAX_TOKENS
        own = Tokenizer.from_str(facts["tokenizer"])
        assert own.encode("Hello there, Zoë").ids == processor.tokenizer.encode("Hello there, Zoë").ids
    if "A" in modality:
        assert int(facts["sample_rate"]) == PARAMS.audio.sample_rate
        assert json.loads(facts["mel"]) == processor.mel.model_dump()
        assert json.loads(facts["audio"]) == PARAMS.audio.model_dump()
        assert int(facts["max_frames"]) == model.config.max_frames
    content = path.read_bytes()
    assert str(ROOT).encode() not in content
    assert b"site-packages" not in content


def bert_encoder() -> PreTrainedModel:
    sizes = {"vocab_size": 300, "hidden_size": TEXT_WIDTH, "num_hidden_layers": 3, "num_attention_heads": 2}
    return BertModel(BertConfig(**sizes, intermediate_size=20, max_position_embeddings=MAX_TOKENS))


def roberta_encoder() -> PreTrainedModel:
    sizes = {"vocab_size": 300, "hidden_size": TEXT_WIDTH, "num_hidden_layers": 3, "num_attention_heads": 2}
    return RobertaModel(
        RobertaConfig(**sizes, intermediate_size=20, max_position_embeddings=MAX_TOKENS + 2, pad_token_id=1)
    )


@pytest.mark.slow
@pytest.mark.parametrize("encoder", [bert_encoder, roberta_encoder])
def test_architectures_of_transformers_and_timm(tmp_path, encoder):
    torch.manual_seed(0)
    made = encoder()
    randomize(made)
    made.save_pretrained(tmp_path / "encoder")
    params = PretrainedTextEncoder(source="pretrained", name=str(tmp_path / "encoder"), layer=2)
    processor = make_processor(make_text_encoder(params, "x", 300))
    vit = make_vit(pretrained(save_vit(tmp_path / "vit", init_values=0.5)), "x.vit", PATCH)  # with layer scale
    model = model_of(stacks=(stacks_from_sizes()[0], vit))
    assert export_onnx(tmp_path / "model.onnx", model, processor, TEMPERATURE, {}).difference < LARGEST_DIFFERENCE
    check_file(tmp_path / "model.onnx", model, processor)


@pytest.mark.slow
def test_weights_beyond_one_file_lie_beside_it(monkeypatch, tmp_path, processor):
    model, path = model_of(modality="T"), tmp_path / "model.onnx"
    monkeypatch.setattr(export, "MOST_IN_ONE_FILE", 1000)
    exported = export_onnx(path, model, processor, TEMPERATURE, {})
    assert exported.files == sorted(tmp_path.iterdir()) == [path, tmp_path / "model.onnx.data"]
    (tmp_path / "elsewhere").mkdir()
    for file in [path, tmp_path / "model.onnx.data"]:
        file.rename(tmp_path / "elsewhere" / file.name)
    check_file(tmp_path / "elsewhere" / "model.onnx", model, processor)


@pytest.mark.slow
def test_the_same_model_gives_the_same_bytes_and_a_disagreement_leaves_what_was_there(monkeypatch, tmp_path, processor):
    model, path = model_of(modality="T"), tmp_path / "model.onnx"
    export_onnx(path, model, processor, TEMPERATURE, {})
    before = path.read_bytes()
    export_onnx(path, model, processor, TEMPERATURE, {})
    assert path.read_bytes() == before
    onnx.checker.check_model(onnx.load(path), full_check=True)
    other = model_of(modality="T", seed=1)
    monkeypatch.setattr("erc_core.sharing.onnx.ExportedModel", lambda _, *rest: ExportedModel(other, *rest))
    with pytest.raises(
        ErcError, match=r"model\.onnx: not written: of 50 made-up utterances, ONNX Runtime's probabilities"
    ):
        export_onnx(path, model, processor, TEMPERATURE, {})
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]
