"""The rules of section model."""

import pytest

from erc_core.errors import ParamsError
from erc_core.params.load import check_params
from erc_core.params.model import ModelParams


def told(tree, **model) -> str:
    tree["model"] |= model
    with pytest.raises(ParamsError) as caught:
        check_params(tree)
    return str(caught.value).removeprefix("params.yaml: ")


@pytest.mark.parametrize("modality", ["T", "A"])
@pytest.mark.parametrize("fusion", ["late", "cfa", "concatenate"])
def test_other_fusions_need_two_streams(tree, fusion, modality):
    assert told(tree, fusion=fusion, modality=modality) == (
        f"model.fusion = {fusion!r}: allowed is 'jfm' while model.modality is {modality!r}; "
        "the other fusions join two streams"
    )
    tree["model"] |= {"modality": "T+A"}
    assert check_params(tree).model.fusion == fusion


def test_one_stream_needs_no_word_about_the_vit_of_other_fusions():
    assert ModelParams(modality="T", fusion="jfm") == ModelParams(modality="T", fusion="jfm", vit_layers=None)


def test_the_separate_vit_has_no_more_blocks_than_its_depth(tree):
    allowed = "allowed is null, or 1 to backbones.tiny.vit.depth (6)"
    assert told(tree, fusion="late", vit_layers=7) == f"model.vit_layers = 7: {allowed}"
    for count in (1, 6, None):
        tree["model"]["vit_layers"] = count
        assert check_params(tree).model.vit_layers == count


def test_a_pretrained_vit_tells_its_depth_when_it_is_loaded(tree):
    tree["backbone"] = "paper"
    tree["model"]["vit_layers"] = 13
    assert check_params(tree).model.vit_layers == 13


@pytest.mark.parametrize(
    ("model", "line"),
    [
        ({"fusion": "early"}, "model.fusion = 'early': allowed is 'jfm', 'late', 'cfa' or 'concatenate'"),
        ({"vit_layers": 0}, "model.vit_layers = 0: allowed is 1 or more and 128 or less"),
        ({"vit_layers": "all"}, "model.vit_layers = 'all': allowed is a whole number, 1 or more and 128 or less"),
    ],
)
def test_wrong_values(tree, model, line):
    assert told(tree, **model) == line
