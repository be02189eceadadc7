import json
import os
import subprocess
import sys

import numpy as np
import pytest
from closure import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from erc_core.errors import ErcError
from erc_core.params.backbones import PretrainedTextEncoder, TextEncoderFromConfig
from erc_core.text.tokens import (
    SPECIAL_TOKENS,
    TOKENIZER_FILE,
    learn_tokenizer,
    load_tokenizer,
    make_tokenizer,
    save_tokenizer,
    tokenize,
)

KEY = "backbones.tiny.text_encoder"
BOS, PAD, EOS, UNK = 0, 1, 2, 3
VOCABULARY = 600


def texts_with_ties() -> list[str]:
    """Return texts in which many pairs of letters are equally frequent, so that the order of merges is a choice."""
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("abcdefghijklmnop"), 6)) for _ in range(400)]
    return [" ".join(words[i : i + 8]) for i in range(0, 400, 8)] + ["What's up, Zoë? 🙂"]


@pytest.fixture(scope="module")
def tokenizer():
    return learn_tokenizer(texts_with_ties(), VOCABULARY)


def unicode_text() -> st.SearchStrategy[str]:
    return st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@settings(deadline=None, max_examples=150)
@given(text=unicode_text() | st.lists(st.sampled_from([*SPECIAL_TOKENS, " ", "hello", "\n"])).map("".join))
def test_any_text_is_known_and_comes_back(tokenizer, text):
    (tokens,) = tokenize(tokenizer, [text], 512)
    assert tokens.ids.dtype == np.int32
    assert not tokens.truncated
    assert (tokens.ids[0], tokens.ids[-1]) == (BOS, EOS)
    assert not np.isin(tokens.ids[1:-1], range(len(SPECIAL_TOKENS))).any()
    # a space before the first word is part of byte-level tokens
    assert tokenizer.decode(tokens.ids.tolist()) in (text, f" {text}")


def test_empty_text_is_framed():
    (tokens,) = tokenize(learn_tokenizer(["a"], 300), [""], 5)
    assert tokens.ids.tolist() == [BOS, EOS]


def test_texts_keep_their_order_and_do_not_touch_each_other(tokenizer):
    texts = ["hello there", "", "abc " * 40, "Zoë 🙂"]
    together = tokenize(tokenizer, texts, 32)
    for text, tokens in zip(texts, together, strict=True):
        (alone,) = tokenize(tokenizer, [text], 32)
        assert tokens.ids.tolist() == alone.ids.tolist()
        assert tokens.truncated == alone.truncated


@pytest.mark.parametrize("max_tokens", [3, 10, 128])
def test_a_long_text_is_cut_told_and_still_framed(tokenizer, max_tokens):
    (whole,) = tokenize(tokenizer, ["x y " * 100], 512)
    (cut,) = tokenize(tokenizer, ["x y " * 100], max_tokens)
    assert (len(cut.ids), cut.truncated) == (max_tokens, True)
    assert cut.ids.tolist() == [*whole.ids[: max_tokens - 1].tolist(), EOS]
    (exact,) = tokenize(tokenizer, ["x y " * 100], len(whole.ids))
    assert not exact.truncated


def test_the_vocabulary_has_the_special_tokens_first_and_keeps_its_limit(tokenizer):
    assert [tokenizer.id_to_token(i) for i in range(5)] == SPECIAL_TOKENS
    assert tokenizer.get_vocab_size() == VOCABULARY
    assert learn_tokenizer(texts_with_ties(), 300).get_vocab_size() == 300
    assert learn_tokenizer([], 300).get_vocab_size() == 261  # 256 bytes and the special tokens: no text to learn from


def test_learning_pays(tokenizer):
    without = learn_tokenizer([], VOCABULARY)
    lengths = [sum(len(t.ids) for t in tokenize(known, texts_with_ties(), 512)) for known in (tokenizer, without)]
    assert lengths[0] < 0.6 * lengths[1]


def test_the_same_texts_give_the_same_bytes_in_any_process(tmp_path):
    for name in ("a", "b"):
        save_tokenizer(learn_tokenizer(texts_with_ties(), VOCABULARY), tmp_path / name)
    code = f"""
import sys; sys.path.insert(0, {str(ROOT / "tests" / "text")!r})
from pathlib import Path
from test_tokens import *
save_tokenizer(learn_tokenizer(texts_with_ties(), VOCABULARY), Path("."))
"""
    for seed in ("1", "2"):
        folder = tmp_path / f"process{seed}"
        folder.mkdir()
        environment = {
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
            "PYTHONHASHSEED": seed,
            "RAYON_NUM_THREADS": seed,
        }
        subprocess.run([sys.executable, "-c", code], cwd=folder, env=os.environ | environment, check=True, timeout=60)
    contents = {(folder / TOKENIZER_FILE).read_bytes() for folder in tmp_path.iterdir()}
    assert len(list(tmp_path.iterdir())) == 4
    assert len(contents) == 1


def test_a_saved_tokenizer_works_as_before(tmp_path, tokenizer):
    tokenize(tokenizer, ["long " * 50], 3)  # leaves its limit behind
    save_tokenizer(tokenizer, tmp_path)
    loaded = load_tokenizer(tmp_path)
    for text in ["What's up?", "<pad> </s>", "", "日本"]:
        assert tokenize(loaded, [text], 64)[0].ids.tolist() == tokenize(tokenizer, [text], 64)[0].ids.tolist()


def test_a_tokenizer_that_pads_is_stopped_from_it(tokenizer):
    padding = learn_tokenizer(texts_with_ties(), VOCABULARY)
    padding.enable_padding(length=50)
    assert len(tokenize(padding, ["a"], 64)[0].ids) == len(tokenize(tokenizer, ["a"], 64)[0].ids)


def test_a_saved_tokenizer_that_is_missing_or_damaged_is_told(tmp_path):
    with pytest.raises(ErcError, match=r"tokenizer\.json: not found; the stage tokenize makes it: run `dvc repro`"):
        load_tokenizer(tmp_path)
    for content in ("{}", "", "{"):
        (tmp_path / TOKENIZER_FILE).write_text(content)
        with pytest.raises(
            ErcError, match=r"tokenizer\.json: damaged .*run `python -m erc_core\.run\.mend .*`, then `dvc repro`"
        ):
            load_tokenizer(tmp_path)


def test_a_configured_encoder_learns_its_tokenizer_from_the_train_texts():
    params = TextEncoderFromConfig(
        source="config", width=8, depth=1, heads=1, mlp_ratio=1.0, vocab_size=VOCABULARY, layer=1, seed=0
    )
    made = make_tokenizer(params, KEY, texts_with_ties())
    assert made.to_str() == learn_tokenizer(texts_with_ties(), VOCABULARY).to_str()


def pretrained(name: object) -> PretrainedTextEncoder:
    return PretrainedTextEncoder(source="pretrained", name=str(name), layer=1)


def test_a_folder_with_tokenizer_json_is_used_as_it_is(tmp_path, tokenizer):
    save_tokenizer(tokenizer, tmp_path)
    made = make_tokenizer(pretrained(tmp_path), KEY, ["other", "texts"])
    assert made.get_vocab() == tokenizer.get_vocab()
    assert tokenize(made, ["hello abc"], 64)[0].ids.tolist() == tokenize(tokenizer, ["hello abc"], 64)[0].ids.tolist()


def test_an_old_folder_without_tokenizer_json_is_converted(tmp_path, tokenizer):
    state = json.loads(tokenizer.to_str())["model"]
    (tmp_path / "vocab.json").write_text(json.dumps(state["vocab"]), encoding="utf-8")
    merges = [" ".join(pair) if isinstance(pair, list) else pair for pair in state["merges"]]
    (tmp_path / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]), encoding="utf-8")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "roberta"}), encoding="utf-8")
    made = make_tokenizer(pretrained(tmp_path), KEY, [])
    (tokens,) = tokenize(made, [" " + texts_with_ties()[0]], 256)
    assert tokens.ids.tolist() == tokenize(tokenizer, texts_with_ties()[:1], 256)[0].ids.tolist()


@pytest.mark.parametrize("content", [None, "{}"])
def test_a_folder_that_holds_no_tokenizer_is_told(tmp_path, content):
    if content:
        (tmp_path / TOKENIZER_FILE).write_text(content)
    with pytest.raises(ErcError) as caught:
        make_tokenizer(pretrained(tmp_path), KEY, [])
    message = str(caught.value)
    assert message.startswith(f"{KEY}.name = '{tmp_path}': the folder is there but cannot be loaded (")
    assert "\n" not in message
