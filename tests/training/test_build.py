import pytest

from erc_core.training.build import _with_joint_init


@pytest.mark.parametrize(
    ("backbone", "value", "taken"), [("paper", "auto", 0.02), ("tiny", "auto", "auto"), ("paper", 0.1, 0.1)]
)
def test_joint_vectors_beside_pretrained_layers_start_as_li_et_al_write(make_params, backbone, value, taken):
    """`auto` stays where weights are random: the model takes 1 / sqrt(width)."""
    params = make_params(backbone=backbone, jfm__joint_init_std=value)
    assert _with_joint_init(params).joint_init_std == taken
