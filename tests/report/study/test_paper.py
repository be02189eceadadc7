import pytest

from erc_core.report.study.paper import paper_corpus, printed

SEVEN, FOUR, SIX = [list("abcdefg"), list("abcd"), list("abcdef")]


@pytest.mark.parametrize(
    ("synthetic", "ingest_format", "labels", "corpus"),
    [
        (False, "meld", SEVEN, "meld"),
        (False, "iemocap", FOUR, "iemocap"),
        (False, "iemocap", SIX, None),
        (False, "meld", FOUR, None),
        (True, "meld", SEVEN, None),  # synthetic, in MELD's layout
        (False, "table", SEVEN, None),
    ],
)
def test_only_the_papers_corpora_with_its_classes_have_its_figures(synthetic, ingest_format, labels, corpus):
    assert paper_corpus(ingest_format, labels, synthetic=synthetic) == corpus


def test_figures_are_those_of_the_papers_tables():
    assert printed("comparison", "meld", "T+A", "JFM") == {"acc": 0.6562, "wf1": 0.6473}
    assert printed("comparison", "iemocap", "A", "MultiEMO") == {"wf1": 0.3889}
    assert printed("ablation", "iemocap", "", "w/o JFM") == {"acc": -0.0467, "wf1": -0.0453}
    assert printed("fusion", "meld", "", "Concatenate") == {"acc": -0.0321, "wf1": -0.0298}


def test_what_the_paper_does_not_print_is_absent():
    for table, corpus, modality, row in (
        ("comparison", "meld", "T", "DialogueRNN"),
        ("comparison", "meld", "", "JFM"),
        ("ablation", "meld", "", "Full model"),
        ("switches", "meld", "", "untied"),
        ("comparison", None, "T", "JFM"),
    ):
        assert printed(table, corpus, modality, row) == {}
