"""All that is written about an answered conversation, into one folder. The same answer gives the same bytes."""

from pathlib import Path

from erc_core.answers.answered import Answered
from erc_core.answers.page.write import write_page
from erc_core.answers.predictions_json import write_predictions_json
from erc_core.answers.subtitles import write_srt, write_vtt
from erc_core.answers.table import write_tables
from erc_core.answers.textgrid import write_textgrid

TIMED = {"predictions.vtt": write_vtt, "predictions.srt": write_srt, "predictions.TextGrid": write_textgrid}


def write_answers(answered: Answered, folder: Path, *, embed_audio: bool) -> list[Path]:
    """Write the answer into a folder, each file whole or not at all, and return what was written.

    predictions.csv, .parquet and .json, conversation.html; and, where utterances have times, predictions.vtt, .srt and .TextGrid:
    without times they are not written, and such as an earlier answer left there go.

    Args:
        answered: The answer; its `audio` and `recording` are paths to open from here.
        folder: Is made. What is written points to the sound by paths relative to it.
        embed_audio: Whether the page holds the sound itself, as MP3, so that it can be sent.

    Raises:
        DiskFullError: The disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    csv, parquet, json = (folder / f"predictions.{suffix}" for suffix in ("csv", "parquet", "json"))
    write_tables(answered, csv, parquet)
    write_predictions_json(answered, json)
    written = [csv, parquet, json]
    for name, write in TIMED.items():
        if answered.timed:
            write(answered, folder / name)
            written.append(folder / name)
        else:
            (folder / name).unlink(missing_ok=True)
    page = folder / "conversation.html"
    write_page(answered, page, embed_audio=embed_audio)
    return [*written, page]
