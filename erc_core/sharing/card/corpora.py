"""What a model card says of the corpus: who may have it, and on which terms."""

from dataclasses import dataclass

from erc_core.store.ingest import IngestRecord


@dataclass(frozen=True)
class Corpus:
    """A corpus as a model card names it."""

    name: str
    terms: str  # who may have it, and for what
    language: str | None  # code of ISO 639-1; None where nobody said


DEMO = Corpus(
    "demo (synthetic)",
    "Made by a grammar and spoken by eSpeak NG (GPL-3.0-or-later): no person wrote or spoke any of it. It can be made "
    "again, byte for byte, by the stage `demo` of the project.",
    "en",
)
MELD = Corpus(
    "MELD",
    "MELD (Poria et al., ACL 2019). Its annotation is under GPL-3.0; the clips are cut from the television series "
    "Friends, whose rights are its owners', and are handed out for research. The clips may not be passed on with the "
    "model, and whether a model trained on them may be used for more than research is for you to settle.",
    "en",
)
IEMOCAP = Corpus(
    "IEMOCAP",
    "IEMOCAP (Busso et al., Language Resources and Evaluation, 2008), under the licence that the University of Southern "
    "California gives to each who asks: for research, not for commerce, and not to be passed on. Read that licence "
    "before you pass on a model trained on it.",
    "en",
)
KNOWN = {"meld": MELD, "iemocap": IEMOCAP}


def corpus_of(dataset: str, record: IngestRecord) -> Corpus:
    """Return the corpus of a dataset; of a reader that is not among the known ones nobody knows the terms."""
    if record.synthetic:
        return DEMO
    unknown = Corpus(
        dataset,
        "Unknown here: ask those who made the corpus, and those who speak in it, what a model trained on it may be used "
        "for, and say so in this place.",
        None,
    )
    return KNOWN.get(str(record.ingest.get("format")), unknown)
