"""`erc predict`: the emotions of a conversation, as tables, subtitles and a page."""

import argparse
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from erc_core.cli.parsing import add_model, new_command
from erc_core.cli.unfinished import UNFINISHED, Unfinished
from erc_core.conversation.inputs import READ, Inputs, read_inputs
from erc_core.conversation.segments import Conversation
from erc_core.errors import ErcError
from erc_core.run.alone import only_one
from erc_core.run.progress import progress

if TYPE_CHECKING:
    from erc_core.predictor import Predictor

DESCRIPTION = f"""Tell the emotions of a conversation.

INPUT is {READ}. Several clips may be named, too. Speech recognition and diarisation are other tools' work;
docs/prediction.md says which of their files are read."""


def add_parser(commands: Any) -> None:
    """Add the command to those of the program."""
    parser = new_command(commands, "predict", "tell the emotions of a conversation", DESCRIPTION, run)
    add_model(parser)
    parser.add_argument("inputs", metavar="INPUT", nargs="+", type=Path, help="what to read; see above")
    parser.add_argument(
        "--transcript", type=Path, metavar="FILE", help="of the recording; by itself the file of its name"
    )
    parser.add_argument(
        "--speakers", type=Path, metavar="FILE", help="RTTM or pyannote JSON, where the transcript has none"
    )
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="for the results; by itself NAME.emotions")
    parser.add_argument("--min-confidence", type=_share, metavar="P", help="mark answers below as uncertain (0 to 1)")
    parser.add_argument(
        "--embed-audio", action="store_true", help="put the sound into the page, so that it can be sent"
    )
    parser.add_argument("--device", help="cpu, cuda, ...; by itself the GPU if there is one")


def run(options: argparse.Namespace) -> None:
    """Predict, write the results, and say where they are."""
    begin = time.perf_counter()
    inputs = read_inputs(options.inputs, options.transcript, options.speakers)
    for note in inputs.notes:
        print(note)
    out = options.out or Path(f"{inputs.title}.emotions")
    _make_folder(out)
    from erc_core.predictor import Predictor  # brings torch: mistakes in the files were told before

    predictor = Predictor.from_pretrained(
        options.model, revision=options.revision, text_encoder=options.text_encoder, device=options.device
    )
    with only_one("erc predict", out / UNFINISHED):
        settings = [predictor.fingerprint, predictor.device.type, predictor.precision]
        unfinished = Unfinished(out, inputs.conversation, settings)
        table = _answers(predictor, inputs.conversation, unfinished, options.min_confidence)
        written = _write(predictor, inputs, table, out, options)
        unfinished.remove()
    _say(predictor, inputs, table, time.perf_counter() - begin)
    if predictor.is_synthetic:
        print("the model was trained on synthetic speech: its answers say nothing about people")
    print(f"results: {out}: {', '.join(path.name for path in written)}")


def _make_folder(out: Path) -> None:
    try:
        (out / UNFINISHED).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ErcError(f"--out {out}: cannot be written to ({error.strerror}); name another folder") from None


def _answers(
    predictor: "Predictor", conversation: Conversation, unfinished: Unfinished, min_confidence: float | None
) -> pl.DataFrame:
    """Answer chunk by chunk; what an interrupted run of the same prediction has done is taken over."""
    done, total = unfinished.read(), len(predictor.plan(conversation))
    if done:
        print(f"continues an interrupted run: {len(done)} of {total} parts are there")
    chunks = []
    with progress(predictor.chunks(conversation, done), total=total, desc="predict", unit="part") as shown:
        for number, answers in enumerate(shown):
            if number not in done and total > 1:
                unfinished.keep(number, answers)
            chunks.append(answers)
    return predictor.join(conversation, chunks, min_confidence)


def _write(
    predictor: "Predictor", inputs: Inputs, table: pl.DataFrame, out: Path, options: argparse.Namespace
) -> list[Path]:
    from erc_core.answers.answered import Answered
    from erc_core.answers.write import write_answers

    answered = Answered(
        table=inputs.conversation.with_paths(table),
        labels=predictor.labels,
        model=predictor.facts,
        title=inputs.title,
        recording=inputs.recording,
        min_confidence=options.min_confidence,
        columns=inputs.conversation.columns or {},
    )
    return write_answers(answered, out, embed_audio=options.embed_audio)


def _say(predictor: "Predictor", inputs: Inputs, table: pl.DataFrame, seconds: float) -> None:
    emotions = Counter(table["emotion"].to_list())
    without = emotions.pop(None, 0)
    speakers = len(set(filter(None, inputs.conversation.speaker)))
    print(
        f"predict {inputs.title}: {len(table):,} utterances, {speakers or 'unknown'} speakers, {seconds:.1f} s; "
        + ", ".join(
            [f"{emotion} {count:,}" for emotion, count in emotions.most_common()]
            + [f"{without:,} without an answer"] * bool(without)
        )
    )
    statuses = {status: count for status, count in Counter(table["status"].to_list()).most_common() if status != "ok"}
    if statuses:
        print(f"not ordinary: {', '.join(f'{count:,} {status}' for status, count in statuses.items())}; see `detail`")
    if "uncertain" in table.columns:
        print(f"uncertain: {table['uncertain'].sum():,}")
    if inputs.emotion:
        from erc_core.cli.scores import scores_in_words

        print(scores_in_words(inputs, inputs.emotion, table, predictor.labels))


def _share(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{word}: allowed is 0 to 1")
    return value
