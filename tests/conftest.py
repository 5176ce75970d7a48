"""Shared test settings."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch

# helper modules beside the tests, such as methods/parity_kit.py
sys.path.extend(str(path) for path in Path(__file__).parent.iterdir() if path.is_dir())

# the tests' matrices are small: a second thread only waits for the first
torch.set_num_threads(1)

# the catalogue under test is the package's own, whatever datasets the developer has added for themselves
os.environ["ETL_BENCH_DATASETS"] = os.devnull
