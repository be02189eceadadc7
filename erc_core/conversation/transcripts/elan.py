"""ELAN's .eaf: XML with time slots and tiers.

Read with ElementTree, without any DOCTYPE: entities, which can grow without bound, are declared there, and ELAN writes none.
pympi expands them, and opens no file that does not name its schema.
"""

import math
import xml.etree.ElementTree as ET

from erc_core.conversation.transcripts.segments import Segment, in_time_order, quoted
from erc_core.conversation.transcripts.source import Source
from erc_core.errors import ErcError

ROOT = "ANNOTATION_DOCUMENT"


class _NoDoctype(ET.TreeBuilder):
    def doctype(self, name: str, _public: str | None, _system: str | None) -> None:
        raise ErcError(f"has a DOCTYPE ({quoted(name)}), which ELAN does not write; save it again in ELAN")


def is_xml(source: Source) -> bool:
    """Whether the file begins as XML does."""
    return source.text.lstrip().startswith(("<?xml", f"<{ROOT}", "<!DOCTYPE"))


def read_elan(source: Source) -> list[Segment]:
    """Return the annotations of the tiers that belong to no other, in order of time.

    The speaker is the tier's participant, or else its name. Tiers with a parent (words, glosses, translations) say the same
    once more, and are left out.

    Raises:
        ErcError: Damaged XML, another kind of XML, or a time that is none.
    """
    root = _parse(source)
    if root.tag != ROOT:
        raise source.error(f"XML of another kind ({quoted(root.tag)}): of XML, .eaf of ELAN is read")
    header = root.find("HEADER")
    if header is not None and (unit := header.get("TIME_UNITS", "milliseconds")) != "milliseconds":
        raise source.error(f"times in {quoted(unit)}; save it again in a newer ELAN, which writes milliseconds")
    slots = {slot.get("TIME_SLOT_ID"): slot.get("TIME_VALUE") for slot in root.iterfind("TIME_ORDER/TIME_SLOT")}
    segments = []
    for tier in root.iterfind("TIER"):
        if tier.get("PARENT_REF"):
            continue
        speaker = tier.get("PARTICIPANT") or tier.get("TIER_ID")
        for annotation in tier.iterfind("ANNOTATION/ALIGNABLE_ANNOTATION"):
            place = f"annotation {clean_id(annotation)}"
            start, end = (_seconds(annotation, f"TIME_SLOT_REF{k}", slots, source, place) for k in (1, 2))
            segments.append(Segment(start, end, speaker, annotation.findtext("ANNOTATION_VALUE") or ""))
    return in_time_order(segments)


def clean_id(annotation: ET.Element) -> str:
    """Return an annotation's name for a message."""
    return quoted(annotation.get("ANNOTATION_ID", "without an id"))


def _parse(source: Source) -> ET.Element:
    try:
        return ET.fromstring(source.content.lstrip(), ET.XMLParser(target=_NoDoctype()))
    except ErcError as error:
        raise source.error(str(error)) from None
    except ET.ParseError as error:
        line, column = error.position
        place = f"line {line}, column {column + 1}"
        raise source.error(f"no whole XML ({str(error).split(':')[0]}); save it again in ELAN", place) from None
    except (LookupError, ValueError) as error:
        raise source.error(f"XML in an encoding that is not known ({error}); save it again in ELAN") from None


def _seconds(
    annotation: ET.Element, reference: str, slots: dict[str | None, str | None], source: Source, place: str
) -> float | None:
    """Return the time of one end of an annotation; None where its slot has no time, as ELAN allows within a tier."""
    slot = annotation.get(reference)
    if slot is None or slot not in slots:
        raise source.error(f"its time slot {quoted(slot)} is not in the file; save it again in ELAN", place)
    value = slots[slot]
    if value is None:
        return None
    try:
        milliseconds = float(value)
    except ValueError:
        milliseconds = math.nan
    if not math.isfinite(milliseconds):
        raise source.error(f"time slot {quoted(slot)} has the time {quoted(value)}, no milliseconds", place)
    return milliseconds / 1000
