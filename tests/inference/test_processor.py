import numpy as np
import pytest
import soundfile
import torch
from closure import ROOT

from erc_core.inference.processor import UtteranceProcessor
from erc_core.params.backbones import TextEncoderFromConfig
from erc_core.params.load import load_params
from erc_core.speech.audio import Sound, load_clip
from erc_core.speech.mel import LogMel
from erc_core.speech.samples import to_float
from erc_core.store.clips import ClipStatus
from erc_core.text.encoder import FrozenTextEncoder, make_text_encoder
from erc_core.text.tokens import learn_tokenizer, tokenize

TEXT = "What's up, Zoë?"
PARAMS = load_params(ROOT / "params.yaml")


@pytest.fixture(scope="module")
def processor() -> UtteranceProcessor:
    tokenizer = learn_tokenizer([TEXT, "hello there"], 300)
    params = TextEncoderFromConfig(
        source="config", width=16, depth=1, heads=2, mlp_ratio=2.0, vocab_size=300, layer=1, seed=0
    )
    model = make_text_encoder(params, "backbones.tiny.text_encoder", tokenizer.get_vocab_size())
    encoder = FrozenTextEncoder(model, torch.device("cpu"))
    return UtteranceProcessor(PARAMS.audio, PARAMS.mel, PARAMS.text, tokenizer, encoder)


@pytest.fixture
def sound() -> Sound:
    wave = np.random.default_rng(0).normal(0, 0.1, (44100, 2)).astype(np.float32)
    return Sound(wave, 44100, 1.0)


def test_an_utterance_gets_what_the_stages_compute(tmp_path, processor, sound):
    path = tmp_path / "x.wav"
    soundfile.write(path, sound.samples, 44100, subtype="FLOAT")
    features = processor(TEXT, path)
    clip = load_clip(path, PARAMS.audio)
    mel = LogMel(PARAMS.mel, PARAMS.audio.sample_rate)(to_float(clip.samples))
    (tokens,) = tokenize(processor.tokenizer, [TEXT], PARAMS.text.max_tokens)
    (text,) = processor.encoder([tokens.ids], batch_size=1)
    assert np.array_equal(features.mel, mel)
    assert np.array_equal(features.text, text)
    assert (features.text.shape, features.text.dtype) == ((len(tokens.ids), 16), np.float16)
    assert (features.status, features.detail) == (ClipStatus.OK, "")


def test_a_file_and_its_samples_give_the_same(tmp_path, processor, sound):
    path = tmp_path / "x.wav"
    soundfile.write(path, sound.samples, 44100, subtype="FLOAT")
    one, other = processor(TEXT, path), processor(TEXT, sound)
    assert len(one.mel) > 90
    assert np.array_equal(one.mel, other.mel)
    assert np.array_equal(one.text, other.text)


def test_without_speech_the_text_stays(tmp_path, processor):
    (tmp_path / "broken.mp4").write_bytes(b"x")
    silence = Sound(np.zeros((16000, 1), np.float32), 16000, 1.0)
    expected = processor(TEXT, None).text
    for speech, status in (
        (None, ClipStatus.MISSING),
        (tmp_path / "none.wav", ClipStatus.MISSING),
        (tmp_path / "broken.mp4", ClipStatus.UNDECODABLE),
        (silence, ClipStatus.SILENT),
    ):
        features = processor(TEXT, speech)
        assert features.status is status
        assert features.detail
        assert (features.mel.shape, features.mel.dtype) == ((0, PARAMS.mel.n_mels), np.float16)
        assert np.array_equal(features.text, expected)


def test_the_shortest_and_the_longest_clip_that_are_used_have_a_spectrogram(processor):
    for seconds, status in ((PARAMS.audio.min_seconds, "ok"), (PARAMS.audio.max_seconds + 1, "too_long")):
        wave = np.random.default_rng(0).normal(0, 0.1, (round(seconds * 8000), 1)).astype(np.float32)
        features = processor("", Sound(wave, 8000, len(wave) / 8000))
        assert features.status == status
        used = min(seconds, PARAMS.audio.max_seconds)
        assert len(features.mel) == pytest.approx(1 + used * 1000 / PARAMS.mel.hop_ms, abs=1)
        assert len(features.text) == 2  # <s> and </s>


def test_a_clip_without_audio_has_no_frames(processor):
    clip = load_clip(None, PARAMS.audio)
    assert processor.log_mel(to_float(clip.samples)).shape == (0, PARAMS.mel.n_mels)
