"""Shared test settings."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

# helper modules beside the tests, such as methods/parity_kit.py
sys.path.extend(str(path) for path in Path(__file__).parent.iterdir() if path.is_dir())

# the tests' matrices are small: a second thread only waits for the first
torch.set_num_threads(1)
