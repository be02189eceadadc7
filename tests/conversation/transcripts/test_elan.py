""".eaf as ELAN writes it, damaged, and hostile."""

import pytest

from erc_core.errors import ErcError

EAF = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="2024-05-02T10:11:12+01:00" FORMAT="3.0" VERSION="3.0"
  xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">
  <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds"/>
  <TIME_ORDER>
    <TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="1500"/>
    <TIME_SLOT TIME_SLOT_ID="ts2"/>
    <TIME_SLOT TIME_SLOT_ID="ts3" TIME_VALUE="3005"/>
    <TIME_SLOT TIME_SLOT_ID="ts4" TIME_VALUE="0"/>
    <TIME_SLOT TIME_SLOT_ID="ts5" TIME_VALUE="2000"/>
  </TIME_ORDER>
  <TIER LINGUISTIC_TYPE_REF="default-lt" PARTICIPANT="Anna" TIER_ID="tx@A">
    <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
      <ANNOTATION_VALUE>Fish &amp; chips</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
    <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="ts2" TIME_SLOT_REF2="ts3">
      <ANNOTATION_VALUE/></ALIGNABLE_ANNOTATION></ANNOTATION>
  </TIER>
  <TIER LINGUISTIC_TYPE_REF="default-lt" TIER_ID="Ben">
    <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a3" TIME_SLOT_REF1="ts4" TIME_SLOT_REF2="ts5">
      <ANNOTATION_VALUE>Hello</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
  </TIER>
  <TIER LINGUISTIC_TYPE_REF="gloss" PARENT_REF="Ben" TIER_ID="gloss">
    <ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a4" ANNOTATION_REF="a3">
      <ANNOTATION_VALUE>Hallo</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>
  </TIER>
</ANNOTATION_DOCUMENT>
"""
LAUGHS = (
    '<!DOCTYPE a [<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{k} "{f"&a{k - 1};" * 10}">' for k in range(1, 10)) + "]>"
)
OUTSIDE = '<!DOCTYPE a [<!ENTITY a9 SYSTEM "file:///etc/passwd">]>'


def test_elan(rows):
    assert rows(EAF) == [
        (0.0, 2.0, "Ben", "Hello"),
        (1.5, None, "Anna", "Fish & chips"),
        (None, 3.005, "Anna", ""),
    ]


@pytest.mark.parametrize("doctype", [LAUGHS, OUTSIDE, '<!DOCTYPE a SYSTEM "http://localhost/a.dtd">'])
def test_entities_are_refused(rows, doctype):
    text = EAF.replace("<ANNOTATION_DOCUMENT", doctype + "<ANNOTATION_DOCUMENT", 1).replace("Hello", "&a9;")
    with pytest.raises(ErcError, match=r"talk.txt: has a DOCTYPE \('a'\), which ELAN does not write"):
        rows(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (EAF[:900], "no whole XML ("),
        (EAF.replace("</TIER>", "", 1), "line 26, column 3: no whole XML (mismatched tag)"),
        (EAF.replace('REF1="ts1"', 'REF1="ts9"'), "annotation 'a1': its time slot 'ts9' is not in the file"),
        (EAF.replace('VALUE="1500"', 'VALUE="soon"'), "annotation 'a1': time slot 'ts1' has the time 'soon'"),
        (EAF.replace('VALUE="1500"', 'VALUE="nan"'), "annotation 'a1': time slot 'ts1' has the time 'nan'"),
        (EAF.replace("milliseconds", "PAL-frames"), "times in 'PAL-frames'"),
        ('<?xml version="1.0"?><tt xmlns="http://www.w3.org/ns/ttml"/>', "XML of another kind ("),
        (EAF.replace("UTF-8", "UTF-99"), "XML in an encoding that is not known"),
        ("<?xml version='1.0'?>" + "<a>" * 300_000, "no whole XML (no element found)"),
    ],
)
def test_damage_is_said_in_one_line(rows, text, words):
    with pytest.raises(ErcError) as error:
        rows(text)
    assert words in str(error.value)
