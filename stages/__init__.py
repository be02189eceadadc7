"""The stages of dvc.yaml, one script each."""

import gc

# the default of 700 new objects looks for garbage hundreds of times while the libraries load, and finds none
gc.set_threshold(100_000, 20, 20)
