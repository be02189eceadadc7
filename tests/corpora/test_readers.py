"""The registry of readers: one signature, and a value for everything that params.yaml leaves out."""

import inspect
from typing import get_args

import pytest
from closure import ROOT

from erc_core.corpora.readers import READERS, resolve
from erc_core.params.data import IemocapIngest, IngestParams, MeldIngest, TableIngest
from erc_core.params.load import load_params
from erc_core.params.schema import dump

SECTIONS = get_args(get_args(IngestParams)[0])


def test_every_format_of_the_schema_has_a_reader_and_settings_of_its_section():
    formats = {get_args(section.model_fields["format"].annotation)[0]: section for section in SECTIONS}
    assert READERS.keys() == formats.keys()
    for name, (settings, read) in READERS.items():
        assert issubclass(settings, formats[name])
        assert list(settings.model_fields) == list(formats[name].model_fields)
        assert len(inspect.signature(read).parameters) == 4


@pytest.mark.parametrize(
    ("section", "values"),
    [
        (MeldIngest(format="meld"), {"prefer_test_twins": True, "max_unpacked_gb": 60.0}),
        (IemocapIngest(format="iemocap"), {"classes": 4, "fold": 5, "seed": 0, "dev_share": 0.1}),
        (
            TableIngest(format="table", file="x.csv"),
            {"columns": {}, "split_by": "dialogue", "dev_share": 0.1, "test_share": 0.2, "seed": 0, "file": "x.csv"},
        ),
    ],
)
def test_what_is_left_out_has_the_value_of_the_manual(section, values):
    assert dump(resolve(section)) == {"format": section.format, "raw_dir": None} | values
    assert list(dump(resolve(section))) == list(type(section).model_fields)
    manual = load_params(ROOT / "params.yaml").ingest.get(section.format)
    assert manual is None or resolve(manual) == resolve(section)


def test_what_is_given_stays():
    section = IemocapIngest(format="iemocap", raw_dir="x", classes=6, fold=2, seed=9, dev_share=0.25)
    assert dump(resolve(section)) == dump(section)
    assert resolve(resolve(section)) == resolve(section)
    assert not resolve(MeldIngest(format="meld", prefer_test_twins=False)).prefer_test_twins
