"""Random generators by purpose: each purpose of a seed has its own generator, so that none affects another."""

from __future__ import annotations

import hashlib

import torch


def stream_seed(seed: int, purpose: str) -> int:
    """A 63-bit seed for one purpose (`init`, `shuffle`, ...) of one run seed.

    Example:
        >>> stream_seed(1, "init"), stream_seed(1, "shuffle")
        (5267816590608909949, 5314989752396509129)
    """
    return int.from_bytes(hashlib.sha256(f"{seed}/{purpose}".encode()).digest()[:8], "big") >> 1


def stream(seed: int, purpose: str) -> torch.Generator:
    """A CPU generator for one purpose of one run seed; equal arguments give equal numbers."""
    return torch.Generator().manual_seed(stream_seed(seed, purpose))
