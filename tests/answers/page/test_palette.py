from itertools import combinations

import numpy as np
import pytest
from made_up_answers import LABELS

from erc_core.answers.page.palette import COLOURS, colours_of, ink_on

# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB
VISION = {
    "normal": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
# Oklab, Ottosson 2020
TO_LMS = [
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
]
TO_LAB = [
    [0.2104542553, 0.793617785, -0.0040720468],
    [1.9779984951, -2.428592205, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.808675766],
]
APART = 0.12  # six times what is just noticeable (0.02)


def linear(colour):
    part = np.frombuffer(bytes.fromhex(colour[1:]), np.uint8) / 255
    return np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)


def seen(colour, vision):
    lms = TO_LMS @ np.clip(np.array(VISION[vision]) @ linear(colour), 0, 1)
    return TO_LAB @ np.cbrt(lms)


@pytest.mark.parametrize("vision", VISION)
def test_colours_stay_apart_for_colour_blind_people(vision):
    nearest = min(np.linalg.norm(seen(a, vision) - seen(b, vision)) for a, b in combinations(COLOURS.values(), 2))
    assert nearest > APART


def test_up_to_eight_labels_have_the_eight_colours():
    names = ["neutral", "frustrated", "happiness", "anger", "weariness", "x", "y", "z"]
    assert set(colours_of(names).values()) == set(COLOURS.values())


def test_emotions_have_the_colours_that_people_expect():
    colours = colours_of(LABELS)
    assert colours["neutral"] == COLOURS["grey"]
    assert colours["anger"] == COLOURS["red"]
    assert colours["joy"] == COLOURS["yellow"]


def test_colours_are_of_the_labels_alone():
    assert colours_of(LABELS) == colours_of(list(LABELS))
    assert list(colours_of(LABELS)) == LABELS
    many = [f"label {number}" for number in range(500)]
    colours = colours_of(many)
    assert len(colours) == 500
    assert len(set(colours.values())) == 24
    assert len(set(list(colours.values())[:24])) == 24


@pytest.mark.parametrize("colour", colours_of([f"{number}" for number in range(24)]).values())
def test_ink_is_read_on_every_colour(colour):
    luminance = linear(colour) @ [0.2126, 0.7152, 0.0722]
    ink = {"#000": 0.0, "#fff": 1.0}[ink_on(colour)]
    high, low = max(luminance, ink), min(luminance, ink)
    assert (high + 0.05) / (low + 0.05) >= 4.5
