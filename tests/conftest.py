"""What holds for every test: one thread for each process, as OpenMP threads spin while other processes hold the cores."""

import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"  # no test may wait for a network
