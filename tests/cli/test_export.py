import argparse
import re

import numpy as np
import onnxruntime
import pytest
from made_up_model import LABELS, save_made_up_model
from tokenizers import Tokenizer

from erc_core.cli import export
from erc_core.errors import ErcError
from erc_core.predictor import Predictor


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    export.add_parser(parser.add_subparsers())
    options = parser.parse_args(["export", *arguments])
    return options.run(options)


@pytest.mark.parametrize("name", ["model.pt", "model", "."])
def test_the_file_is_to_be_called_onnx(tmp_path, name):
    with pytest.raises(ErcError, match=r"name a file that ends in \.onnx$"):
        run(str(tmp_path / "none"), str(tmp_path / name))


def test_a_model_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(ErcError, match="no such folder"):
        run(str(tmp_path / "none"), str(tmp_path / "model.onnx"))
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_file_says_what_the_predictor_says(tmp_path, capsys):
    folder, path, text = save_made_up_model(tmp_path / "model", "T"), tmp_path / "model.onnx", "hello there, Zoë <pad>"
    assert run(str(folder), str(path)) == 0
    said = capsys.readouterr().out.splitlines()
    assert re.fullmatch(
        rf"export {folder}: 50 made-up utterances through ONNX Runtime: largest difference to torch \d\.\de-\d\d "
        r"\(at most 1e-04 is allowed\)",
        said[0],
    )
    assert re.fullmatch(rf"export {folder}: wrote {path}, \d\.\d MiB", said[1])
    session = onnxruntime.InferenceSession(str(path))
    facts = session.get_modelmeta().custom_metadata_map
    predictor = Predictor.from_pretrained(folder, device="cpu")
    assert (facts["fingerprint"], facts["synthetic"], facts["dataset"]) == (predictor.fingerprint, "true", "made_up")
    tokenizer = Tokenizer.from_str(facts["tokenizer"])
    tokenizer.encode_special_tokens = True
    ids = np.array([tokenizer.encode(text).ids])
    (found,) = session.run(["probabilities"], {"token_ids": ids, "tokens": np.array([ids.shape[1]])})
    said_by_torch = predictor([{"text": text}]).select(f"p_{label}" for label in LABELS).to_numpy()
    assert np.abs(found - said_by_torch).max() < 1e-5
