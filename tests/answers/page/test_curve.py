import numpy as np
import pytest

from erc_core.answers.page.curve import POINTS, area_paths, smoothed, width_of


def test_far_from_the_others_an_utterance_is_the_curve():
    p_NC = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])
    mean = smoothed(np.array([10.0, 90.0]), np.array([2.0, 2.0]), p_NC, 100, 3)
    assert mean.shape == (POINTS, 3)
    np.testing.assert_allclose(mean.sum(axis=1), 1)
    np.testing.assert_allclose(mean[16], p_NC[0], atol=1e-9)  # 10 s
    np.testing.assert_allclose(mean[80], p_NC.mean(axis=0), atol=1e-9)  # midway
    np.testing.assert_allclose(mean[[0, -1]], p_NC, atol=1e-9)


def test_a_long_utterance_weighs_more():
    p_NC = np.array([[1.0, 0.0], [0.0, 1.0]])
    mean = smoothed(np.array([50.0, 50.0]), np.array([3.0, 1.0]), p_NC, 100, 3)
    np.testing.assert_allclose(mean, np.tile([0.75, 0.25], (POINTS, 1)))


@pytest.mark.parametrize(("middles", "width"), [([5.0], 10), ([0.0, 30.0, 100.0, 130.0], 15), ([0.0, 1.0, 2.0], 10)])
def test_the_smoothing_is_as_wide_as_utterances_are_apart(middles, width):
    assert width_of(np.array(middles), 800) == width


def test_areas_stand_on_each_other_in_the_order_asked_for():
    mean = np.tile([0.2, 0.75, 0.05, 0.0], (POINTS, 1))
    paths = area_paths(mean, [1, 3, 0, 2])
    assert [place for place, _ in paths] == [1, 0, 2]
    assert paths[0][1].startswith("M0 25.0L")
    assert paths[0][1].endswith("L0 100.0Z")
    assert paths[2][1].startswith("M0 0.0L")
