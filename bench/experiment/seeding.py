"""Randomness by name: each purpose of each seed has a generator of its own, so that none can disturb another."""

from __future__ import annotations

import hashlib

import torch


def stream_seed(seed: int, purpose: str) -> int:
    """A 63-bit seed for one purpose (`init`, `shuffle`, ...) of one run seed."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{purpose}".encode()).digest()[:8], "big") >> 1


def stream(seed: int, purpose: str) -> torch.Generator:
    """A CPU generator for one purpose of one run seed; equal arguments give equal streams."""
    return torch.Generator().manual_seed(stream_seed(seed, purpose))
