"""Write the example's clips: a tone for each utterance, its pitch by emotion, no two alike.

Run: python make_clips.py FOLDER_OF_THE_TABLE
"""

import csv
import sys
from pathlib import Path

import numpy as np
import soundfile

SAMPLE_RATE = 16000
PITCH = {"neutral": 220.0, "joy": 440.0, "anger": 330.0}  # Hz

folder = Path(sys.argv[1])
with (folder / "utterances.csv").open(encoding="utf-8", newline="") as file:
    for number, row in enumerate(csv.DictReader(file)):
        seconds = np.arange(SAMPLE_RATE) / SAMPLE_RATE
        tone = 0.3 * np.sin(2 * np.pi * (PITCH[row["feeling"]] + number) * seconds)
        path = folder / row["clip"]
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, tone.astype(np.float32), SAMPLE_RATE)
