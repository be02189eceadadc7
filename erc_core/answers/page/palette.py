"""A colour for each emotion, by the model's labels alone: two conversations of one model have the same colours.

Eight colours that stay apart for people with protanopia, deuteranopia and tritanopia, too; a test simulates them. Emotions of known
names have the colour that people expect of them, where it is free. More than eight repeat them lighter and darker, and later alike:
names always stand beside colours.
"""

from collections.abc import Sequence

COLOURS = {
    "grey": "#A6A6A6",
    "blue": "#4041A2",
    "sky": "#7FD8F4",
    "green": "#008280",
    "yellow": "#E6D26D",
    "red": "#CA3219",
    "purple": "#7C0C52",
    "orange": "#DF8A00",
}
EXPECTED = {
    "grey": ("neutral", "neu", "calm", "other"),
    "blue": ("sad", "sorrow", "grief"),
    "sky": ("surprise", "sur"),
    "green": ("disgust", "dis"),
    "yellow": ("joy", "happy", "happiness", "hap", "amusement"),
    "red": ("ang", "rage"),
    "purple": ("fear", "fea", "anxi"),
    "orange": ("exc", "enthusiasm", "love"),
}  # beginnings of names
SHADES = (("#FFFFFF", 0.45), ("#000000", 0.4))  # what is mixed in, and how much of it


def colours_of(labels: Sequence[str]) -> dict[str, str]:
    """Return a colour, #RRGGBB, for each label."""
    free = list(COLOURS)
    chosen: dict[str, str] = {}
    for label in labels:
        name = next((name for name, known in EXPECTED.items() if label.lower().startswith(known)), None)
        if name in free:
            free.remove(name)
            chosen[label] = COLOURS[name]
    # grey is for what is neutral: others have it last
    free.sort(key=lambda name: name == "grey")
    more = [COLOURS[name] for name in free]
    more += [_mix(colour, *shade) for shade in SHADES for colour in COLOURS.values()]
    rest = [label for label in labels if label not in chosen]
    chosen |= {label: more[place % len(more)] for place, label in enumerate(rest)}
    return {label: chosen[label] for label in labels}


def ink_on(colour: str) -> str:
    """Return black or white, whichever is read better on a colour (WCAG 2.2's relative luminance)."""
    red, green, blue = (_linear(part / 255) for part in bytes.fromhex(colour[1:]))
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return "#000" if (luminance + 0.05) ** 2 > 1.05 * 0.05 else "#fff"


def _linear(part: float) -> float:
    return float(part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4)


def _mix(colour: str, other: str, share: float) -> str:
    parts = zip(bytes.fromhex(colour[1:]), bytes.fromhex(other[1:]), strict=True)
    return "#" + "".join(f"{round(a * (1 - share) + b * share):02X}" for a, b in parts)
