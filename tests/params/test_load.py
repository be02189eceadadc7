import math
import re
from typing import Any

import pytest
from closure import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from erc_core.errors import ParamsError
from erc_core.params.load import check_params, load_params
from erc_core.params.schema import Params

ABSENT = object()


def change(tree: dict[str, Any], key: str, value: Any) -> None:
    *sections, name = key.split(".")
    for section in sections:
        tree = tree[section]
    if value is ABSENT:
        del tree[name]
    else:
        tree[name] = value


def lines_for(tree: dict[str, Any], **_: object) -> list[str]:
    with pytest.raises(ParamsError) as caught:
        check_params(tree)
    assert caught.value.exit_code == 2
    lines = str(caught.value).split("\n")
    assert all(line.startswith("params.yaml: ") for line in lines)
    return [line.removeprefix("params.yaml: ") for line in lines]


def test_the_repository_loads():
    params = load_params(ROOT / "params.yaml")
    assert isinstance(params, Params)
    assert params.selected_backbone is params.backbones[params.backbone]


def test_every_backbone_of_the_repository_can_be_selected(tree):
    for name in tree["backbones"]:
        tree["backbone"] = name
        assert check_params(tree).selected_backbone.patch > 0


# ---- one mistake, one line ------------------------------------------------------------------------------------------

MISTAKES = [
    # wrong values: the key, the value, what is allowed
    ("jfm.n_blocks", 0, "jfm.n_blocks = 0: allowed is 1 or more and 24 or less"),
    ("jfm.joint_len", -1, "jfm.joint_len = -1: allowed is 0 or more and 512 or less"),
    ("jfm.streams", "alined", "jfm.streams = 'alined': allowed is 'aligned' or 'literal'"),
    ("model.modality", "V", "model.modality = 'V': allowed is 'T', 'A' or 'T+A'"),
    ("icl.temperature", 0, "icl.temperature = 0: allowed is 0.0001 or more and 1000 or less"),
    ("demo.dialogues.train", 0, "demo.dialogues.train = 0: allowed is 1 or more"),
    ("demo.persistence", 1.0, "demo.persistence = 1.0: allowed is 0 or more and less than 1"),
    ("report.title", "", "report.title = '': allowed is a text that is not empty"),
    ("backbones.tiny.bert.heads", 0, "backbones.tiny.bert.heads = 0: allowed is 1 or more"),
    ("backbones.paper.bert.name", "", "backbones.paper.bert.name = '': allowed is a text that is not empty"),
    ("ingest.iemocap.classes", 5, "ingest.iemocap.classes = 5: allowed is 4 or 6"),
    ("ingest.iemocap.fold", 6, "ingest.iemocap.fold = 6: allowed is 1 or more and 5 or less"),
    ("train.lr", -1.0, "train.lr = -1.0: allowed is auto, or more than 0"),
    ("train.epochs", 0, "train.epochs = 0: allowed is auto, or 1 or more"),
    (
        "backbones.tiny.training.datasets",
        {"demo": {"lr": 0.0}},
        "backbones.tiny.training.datasets.demo.lr = 0.0: input should be greater than 0",
    ),
    ("backbones.tiny.training.datasets", {"demi": {}}, "backbones.tiny.training.datasets: 'demi' is not under ingest"),
    ("train.warmup", -1.0, "train.warmup = -1.0: allowed is auto, or 0 or more"),
    ("train.freq_mask", 1.0, "train.freq_mask = 1.0: allowed is auto, or 0 or more and less than 1"),
    ("train.time_mask", -0.5, "train.time_mask = -0.5: allowed is auto, or 0 or more and less than 1"),
    ("train.patchout", 1.5, "train.patchout = 1.5: allowed is auto, or 0 or more and less than 1"),
    ("jfm.joint_init_std", 0, "jfm.joint_init_std = 0: allowed is auto, or more than 0"),
    (
        "train.schedule",
        "step",
        "train.schedule = 'step': allowed is 'auto', 'constant', 'linear', 'cosine' or 'plateau'",
    ),
    ("parallel.threads", "two", "parallel.threads = 'two': allowed is auto, or a whole number, 1 or more"),
    ("train.masks", 0, "train.masks = 0: allowed is 1 or more"),
    ("parallel.workers", 0, "parallel.workers = 0: allowed is auto, or 1 or more"),
    ("parallel.backend", "slurm", "parallel.backend = 'slurm': allowed is 'processes' or 'dask'"),
    ("parallel.backend", "dask", "parallel.scheduler = null: allowed with parallel.backend dask is the address of a "),
    (
        "parallel.scheduler",
        "host",
        "parallel.scheduler = 'host': allowed is null, or an address such as tcp://host:8786",
    ),
    ("parallel.scheduler", 8786, "parallel.scheduler = 8786: allowed is a text"),
    # wrong types
    ("jfm.n_blocks", "2", "jfm.n_blocks = '2': allowed is a whole number, 1 or more and 24 or less"),
    ("jfm.n_blocks", 2.0, "jfm.n_blocks = 2.0: allowed is a whole number, 1 or more and 24 or less"),
    ("jfm.n_blocks", True, "jfm.n_blocks = True: allowed is a whole number, 1 or more and 24 or less"),
    ("jfm.n_blocks", None, "jfm.n_blocks = None: allowed is a whole number, 1 or more and 24 or less"),
    ("jfm.tied", "yes", "jfm.tied = 'yes': allowed is true or false"),
    ("icl.weight", "1e-1", "icl.weight = '1e-1': allowed is a number, 0 or more"),
    ("train.lr", "fast", "train.lr = 'fast': allowed is auto, or a number, more than 0"),
    ("train.lr", True, "train.lr = True: allowed is auto, or a number, more than 0"),
    ("train.epochs", 1.5, "train.epochs = 1.5: allowed is auto, or a whole number, 1 or more"),
    ("report.title", 5, "report.title = 5: allowed is a text"),
    ("datasets", "demo", "datasets = 'demo': allowed is a list, such as [demo]"),
    ("datasets", [], "datasets = []: allowed is a list that is not empty"),
    ("datasets", [1], "datasets.0 = 1: allowed is a text"),
    ("jfm", [1], "jfm = [1]: allowed is a section with keys"),
    ("jfm", None, "jfm = None: allowed is a section with keys"),
    ("backbones.tiny.bert", 3, "backbones.tiny.bert = 3: allowed is a section with keys"),
    ("ingest.demo", "meld", "ingest.demo = 'meld': allowed is a section with keys"),
    ("ingest", {5: {"format": "meld"}}, "ingest.5 = 5: allowed is a text"),
    # no number at all, or not a finite one
    ("icl.weight", math.inf, "icl.weight = inf: allowed is a finite number, 0 or more"),
    ("mel.floor", math.nan, "mel.floor = nan: allowed is a finite number, 1e-30 or more and 1 or less"),
    (
        "audio.silence_dbfs",
        -math.inf,
        "audio.silence_dbfs = -inf: allowed is a finite number, -200 or more and 0 or less",
    ),
    ("train.lr", math.nan, "train.lr = nan: allowed is auto, or a finite number, more than 0"),
    ("train.warmup", math.inf, "train.warmup = inf: allowed is auto, or a finite number, 0 or more"),
    (
        "backbones.tiny.training.lr",
        math.nan,
        "backbones.tiny.training.lr = nan: allowed is a finite number, more than 0",
    ),
    # missing keys
    ("jfm", ABSENT, "jfm: missing; the params.yaml of the repository shows it with its meaning"),
    ("mel.n_fft", ABSENT, "mel.n_fft: missing; the params.yaml of the repository shows it with its meaning"),
    (
        "backbones.paper.bert.name",
        ABSENT,
        "backbones.paper.bert.name: missing; the params.yaml of the repository shows it with its meaning",
    ),
    # which of several kinds of section
    (
        "backbones.tiny.bert.source",
        "x",
        "backbones.tiny.bert.source = 'x': allowed is 'config' or 'pretrained'",
    ),
    (
        "backbones.paper.vit.source",
        ABSENT,
        "backbones.paper.vit.source: missing; allowed is 'config' or 'pretrained'",
    ),
    (
        "backbones.tiny.text_encoder.source",
        None,
        "backbones.tiny.text_encoder.source = None: allowed is 'config' or 'pretrained'",
    ),
    (
        "backbones.tiny.bert.source",
        ["config"],
        "backbones.tiny.bert.source = ['config']: allowed is 'config' or 'pretrained'",
    ),
    ("ingest.demo.format", "x", "ingest.demo.format = 'x': allowed is 'meld' or 'iemocap' or 'table'"),
    ("ingest.demo.format", ABSENT, "ingest.demo.format: missing; allowed is 'meld' or 'iemocap' or 'table'"),
    # rules between the keys of a section
    (
        "backbones.tiny.bert.heads",
        3,
        "backbones.tiny.bert.heads = 3: allowed are divisors of width (64): 1, 2, 4, 8, 16, 32, 64",
    ),
    (
        "backbones.tiny.extractor.heads",
        5,
        "backbones.tiny.extractor.heads = 5: allowed are divisors of width (64): 1, 2, 4, 8, 16, 32, 64",
    ),
    ("backbones.tiny.text_encoder.layer", 2, "backbones.tiny.text_encoder.layer = 2: allowed is 1 to depth (1)"),
    (
        "backbones.tiny.vit.width",
        32,
        "backbones.tiny.vit.width = 32: allowed is bert.width (64); joint vectors pass between the two",
    ),
    (
        "backbones.tiny.vit.width",
        128,
        "backbones.tiny.vit.width = 128: allowed is bert.width (64); joint vectors pass between the two",
    ),
    ("demo.max_turns", 1, "demo.max_turns = 1: allowed is demo.min_turns (4) or more"),
    ("audio.max_seconds", 0.05, "audio.max_seconds = 0.05: allowed is more than audio.min_seconds (0.1)"),
    # rules between sections
    ("backbone", "tyny", "backbone = 'tyny': allowed are the names under backbones: ['tiny', 'paper']"),
    ("groups", {"folds": ["demo"]}, "groups.folds = ['demo']: allowed are two or more different names under ingest"),
    (
        "groups",
        {"folds": ["demo", "own"]},
        "groups.folds: 'own' has no section ingest.own; allowed are ['demo', 'meld', ",
    ),
    (
        "groups",
        {"demo": ["demo", "meld"]},
        "groups.demo: allowed are lower-case letters, digits, - and _, and no name of a ",
    ),
    ("datasets", ["own"], "datasets: 'own' has no section ingest.own; allowed are ['demo', 'meld', 'iemocap', "),
    ("datasets", ["demo", "demo"], "datasets: ['demo', 'demo']: allowed is each dataset once"),
    (
        "datasets",
        ["../x"],
        "datasets: '../x': allowed are lower-case letters, digits, - and _, as the name becomes a folder",
    ),
    ("mel.n_mels", 15, "mel.n_mels = 15: allowed is backbones.tiny.patch (16) or more"),
    ("mel.window_ms", 0.01, "mel.window_ms = 0.01: allowed is 0.0625 or more, one sample"),
    ("mel.hop_ms", 0.0625, "mel.hop_ms = 0.0625: allowed is 1 or more and 1000 or less"),
    ("mel.f_max", 8001.0, "mel.f_max = 8001: allowed is more than mel.f_min (20 Hz) and at most half of "),
    ("mel.n_fft", 399, "mel.n_fft = 399: allowed is 400 or more, the samples in mel.window_ms (25 ms at 16000 Hz)"),
    ("audio.min_seconds", 0.02, "audio.min_seconds = 0.02: allowed is 0.025 or more, one mel window"),
    ("train.batch_size", 1, "train.batch_size = 1: allowed is 2 or more while icl.weight is 0.1"),
]


@pytest.mark.parametrize(
    ("key", "value", "told"),
    MISTAKES,
    ids=[f"{key}={'absent' if value is ABSENT else repr(value)}" for key, value, _ in MISTAKES],
)
def test_a_mistake_is_told_with_key_value_and_what_is_allowed(tree, key, value, told):
    change(tree, key, value)
    (line,) = lines_for(tree)
    assert line.startswith(told)


def test_too_many_blocks_are_told_for_each_stream(tree):
    tree["jfm"]["n_blocks"] = 7
    assert lines_for(tree) == [
        f"jfm.n_blocks = 7: allowed is 1 to backbones.tiny.{name}.depth (6)" for name in ("bert", "vit")
    ]


@pytest.mark.parametrize("weight", [0, 0.0])
def test_single_utterances_are_allowed_without_the_contrastive_loss(tree, weight):
    tree["train"]["batch_size"], tree["icl"]["weight"] = 1, weight
    assert check_params(tree).train.batch_size == 1


def test_a_backbone_may_have_the_name_of_a_source(tree):
    tree["backbones"]["config"] = tree["backbones"]["tiny"]
    tree["backbones"]["config"]["bert"]["heads"] = 3
    assert lines_for(tree)[0].startswith("backbones.tiny.bert.heads = 3")
    assert lines_for(tree)[1].startswith("backbones.config.bert.heads = 3")


# ---- unknown keys ---------------------------------------------------------------------------------------------------


def sections(tree: dict[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return the path of every mapping whose keys are names of the schema, not of the user."""
    named_by_users = {("groups",), ("ingest",), ("backbones",), ("study", "variants"), ("study", "tables")}
    inside_a_name = path[2:] == ("columns",) or (path[:2] in named_by_users and len(path) > 3)
    found = [] if path in named_by_users or inside_a_name else [path]
    for key, value in tree.items():
        if isinstance(value, dict):
            found += sections(value, (*path, key))
    return found


def test_a_misspelt_key_is_told_in_every_section_with_the_name_that_was_meant(tree):
    places = sections(tree)
    assert {(), ("jfm",), ("demo", "dialogues"), ("backbones", "tiny", "bert"), ("backbones", "paper", "bert")} <= set(
        places
    )
    tagged = 0
    for path in places:
        section = tree
        for part in path:
            section = section[part]
        for key in list(section):
            misspelt = f"{key}_x"
            section[misspelt] = section.pop(key)
            lines = lines_for(tree)
            section[key] = section.pop(misspelt)
            place = ".".join((*path, misspelt))
            unknown = [line for line in lines if line.startswith(f"{place}: unknown key")]
            if key in ("source", "format"):  # without it nothing is known about the section
                tagged += 1
                assert any(line.startswith(f"{'.'.join((*path, key))}: missing; allowed is ") for line in lines)
                continue
            assert len(unknown) == 1, lines
            assert f"; the nearest valid name is {key!r} (allowed: " in unknown[0]
    assert tagged > 5
    check_params(tree)  # nothing was left changed


def test_the_nearest_name_comes_from_the_kind_of_section_that_stands_there(tree):
    tree["backbones"]["tiny"]["bert"]["nam"] = "x"
    tree["backbones"]["paper"]["bert"]["nam"] = "x"
    tree["backbones"]["paper"]["text_encoder"]["vocab_size"] = 3
    tree["ingest"]["meld"]["fold"] = 5
    lines = {line.split(":")[0]: line for line in lines_for(tree)}
    assert lines["backbones.tiny.bert.nam"].endswith("(allowed: source, width, depth, heads, mlp_ratio)")
    assert lines["backbones.paper.bert.nam"].endswith("the nearest valid name is 'name' (allowed: source, name)")
    assert lines["backbones.paper.text_encoder.vocab_size"].endswith("(allowed: source, name, layer)")
    assert "classes" not in lines["ingest.meld.fold"]


def test_a_key_that_is_no_text_is_told(tree):
    tree[3] = 4
    assert len(lines_for(tree)) == 1


# ---- several mistakes -----------------------------------------------------------------------------------------------


def test_several_mistakes_are_told_at_once(tree):
    change(tree, "jfm.n_blocks", 0)
    change(tree, "icl.wieght", 0.1)
    change(tree, "train.lr", "fast")
    change(tree, "backbones.tiny.training.lr", math.nan)
    lines = lines_for(tree)
    assert [line.split(":")[0].split(" ")[0] for line in lines] == [
        "jfm.n_blocks",
        "icl.wieght",
        "train.lr",
        "backbones.tiny.training.lr",
    ]


def test_several_mistakes_between_sections_are_told_at_once(tree):
    change(tree, "mel.n_mels", 8)
    change(tree, "train.batch_size", 1)
    change(tree, "parallel.backend", "dask")
    assert [line.split(" ")[0] for line in lines_for(tree)] == ["mel.n_mels", "train.batch_size", "parallel.scheduler"]


def test_a_mistake_in_a_backbone_that_is_not_selected_is_told_too(tree):
    change(tree, "backbones.paper.patch", 0)
    assert lines_for(tree) == ["backbones.paper.patch = 0: allowed is 1 or more and 512 or less"]


JUNK = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats()
    | st.text(max_size=5)
    | st.lists(st.integers(), max_size=2)
    | st.dictionaries(st.text(max_size=3) | st.integers(), st.integers(), max_size=2)
)


def all_keys(tree: dict[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for key, value in tree.items():
        found.append((*path, key))
        if isinstance(value, dict):
            found += all_keys(value, (*path, key))
    return found


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), value=JUNK)
def test_anything_anywhere_is_accepted_or_told_never_a_traceback(tree, data, value):
    path = data.draw(st.sampled_from(all_keys(tree)))
    section = tree
    for part in path[:-1]:
        section = section[part]
    before, section[path[-1]] = section[path[-1]], value
    try:
        check_params(tree)
    except ParamsError as error:
        lines = str(error).split("\n")
        assert all(line.startswith("params.yaml: ") and len(line) < 500 for line in lines)
    finally:
        section[path[-1]] = before


# ---- the file -------------------------------------------------------------------------------------------------------


def told_about(path, content: str | bytes) -> str:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ParamsError) as caught:
        load_params(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert caught.value.exit_code == 2
    return message


@pytest.mark.parametrize("content", ["", "# only a comment\n", "[demo]", "3", "null"])
def test_a_file_without_sections_is_told(tmp_path, content):
    assert "holds no sections" in told_about(tmp_path / "params.yaml", content)


@pytest.mark.parametrize(
    "content", ["a: [1", "a: 1\n b: 2", "\ta: 1", "a: 1\n---\nb: 2", "!!python/object:x {}", b"\xff\xfe\0", "\0"]
)
def test_what_is_not_yaml_is_told(tmp_path, content):
    assert "not readable as YAML" in told_about(tmp_path / "params.yaml", content)


def test_a_key_given_twice_is_told_with_its_line(tmp_path):
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    line = text[: text.index("\n  joint_len:") + 1].count("\n") + 1
    message = told_about(tmp_path / "params.yaml", text.replace("\n  joint_len:", "\n  joint_len: 9\n  joint_len:"))
    assert 'found duplicate key "joint_len"' in message
    assert f"line {line + 1}," in message


def test_a_missing_file_is_told_with_where_to_run(tmp_path):
    with pytest.raises(ParamsError, match=r"params\.yaml: not found; run from the project's folder") as caught:
        load_params(tmp_path / "params.yaml")
    assert caught.value.exit_code == 2
    with pytest.raises(ParamsError, match="not readable"):
        load_params(tmp_path)


def test_numbers_are_read_as_dvc_reads_them(tmp_path):
    # PyYAML reads 1e-4 as a text
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^  lr: \S+", "  lr: 1e-4", text, count=1)
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    assert load_params(tmp_path / "params.yaml").train.lr == 1e-4


def test_no_boolean_hides_in_a_word(tmp_path):
    # YAML 1.1 reads yes, no, on and off as booleans
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    assert "true or false" in told_about(tmp_path / "params.yaml", re.sub("  tied: [a-z]+", "  tied: yes", text))


# ---- after loading --------------------------------------------------------------------------------------------------


def test_parameters_do_not_change_after_loading(tree):
    params = check_params(tree)
    with pytest.raises(ValueError, match="frozen"):
        params.jfm.n_blocks = 3  # type: ignore[misc]


def test_a_file_that_was_cut_off_is_told_in_one_line(tree):
    for name in ("icl", "train", "study", "evaluate", "report"):
        del tree[name]
    with pytest.raises(ParamsError) as raised:
        check_params(tree)
    told = (
        "icl, train, study, evaluate, report: missing; the params.yaml of the repository shows them with their meaning"
    )
    assert str(raised.value) == f"params.yaml: {told}"
