import numpy as np
import pytest
import soundfile
import torch
from closure import ROOT

from erc_core.inference.processor import UtteranceProcessor, batch_of
from erc_core.params.backbones import TextEncoderFromConfig
from erc_core.params.load import load_params
from erc_core.speech.audio import Sound, load_clip, prepare_clip
from erc_core.speech.mel import LogMel
from erc_core.speech.samples import to_float
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
    return UtteranceProcessor(PARAMS.audio, PARAMS.mel, PARAMS.text.max_tokens, tokenizer, encoder)


@pytest.fixture
def sound() -> Sound:
    wave = np.random.default_rng(0).normal(0, 0.1, (44100, 2)).astype(np.float32)
    return Sound(wave, 44100, 1.0)


def test_an_utterance_gets_what_the_stages_compute(tmp_path, processor, sound):
    path = tmp_path / "x.wav"
    soundfile.write(path, sound.samples, 44100, subtype="FLOAT")
    clip = load_clip(path, PARAMS.audio)
    (features,) = processor([TEXT], [clip.samples], 1)
    mel = LogMel(PARAMS.mel, PARAMS.audio.sample_rate)(to_float(clip.samples))
    (tokens,) = tokenize(processor.tokenizer, [TEXT], PARAMS.text.max_tokens)
    (text,) = processor.encoder([tokens.ids], batch_size=1)
    assert np.array_equal(features.mel, mel)
    assert np.array_equal(features.text, text)
    assert (features.text.shape, features.text.dtype) == ((len(tokens.ids), 16), np.float16)


def test_a_file_and_its_samples_give_the_same(tmp_path, processor, sound):
    path = tmp_path / "x.wav"
    soundfile.write(path, sound.samples, 44100, subtype="FLOAT")
    clips = load_clip(path, PARAMS.audio), prepare_clip(sound, PARAMS.audio)
    one, other = processor([TEXT, TEXT], [clip.samples for clip in clips], 2)
    assert len(one.mel) > 90
    assert np.array_equal(one.mel, other.mel)
    assert np.array_equal(one.text, other.text)


def test_many_utterances_in_threads_get_what_each_gets_alone(processor, sound):
    rng = np.random.default_rng(0)
    speech = [rng.integers(-9000, 9000, rng.integers(1600, 16000)).astype(np.int16) for _ in range(40)]
    together = processor([TEXT] * 40, speech, 8)
    for samples, features in zip(speech, together, strict=True):
        (alone,) = processor([TEXT], [samples], 8)
        assert np.array_equal(features.mel, alone.mel)


@pytest.mark.parametrize("modality", ["text", "mel"])
def test_a_batch_has_zeros_behind_the_shorter_ones(processor, modality):
    speech = [np.full(n, 3000, np.int16) for n in (1600, 0, 4800)]
    features = processor(["a", "longer than that", ""], speech, 3)
    batch = batch_of(features, np.array([2, 0, 1]))
    padded, lengths = (batch.text_BTE, batch.tokens_B) if modality == "text" else (batch.mel_BFM, batch.frames_B)
    assert batch.index_B.tolist() == [2, 0, 1]
    for row, place in enumerate((2, 0, 1)):
        frames = getattr(features[place], modality)
        assert lengths[row] == len(frames)
        assert np.array_equal(padded[row, : len(frames)].numpy(), frames.astype(np.float32))
        assert not padded[row, len(frames) :].any()


def test_the_shortest_and_the_longest_clip_that_are_used_have_a_spectrogram(processor):
    for seconds, status in ((PARAMS.audio.min_seconds, "ok"), (PARAMS.audio.max_seconds + 1, "too_long")):
        wave = np.random.default_rng(0).normal(0, 0.1, (round(seconds * 8000), 1)).astype(np.float32)
        clip = prepare_clip(Sound(wave, 8000, len(wave) / 8000), PARAMS.audio)
        (features,) = processor([""], [clip.samples], 1)
        assert clip.status == status
        used = min(seconds, PARAMS.audio.max_seconds)
        assert len(features.mel) == pytest.approx(1 + used * 1000 / PARAMS.mel.hop_ms, abs=1)
        assert len(features.text) == 2  # <s> and </s>


def test_a_clip_without_audio_has_no_frames(processor):
    clip = load_clip(None, PARAMS.audio)
    assert processor.log_mel(to_float(clip.samples)).shape == (0, PARAMS.mel.n_mels)
