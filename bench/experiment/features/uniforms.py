"""Uniform random numbers from a hash: they depend on a key and nothing else."""

import hashlib


class Uniforms:
    """Uniform numbers in [0, 1) from SHA-256 of (key, counter): the same on every machine."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._counter = 0

    def next(self) -> float:
        """The next number."""
        block = hashlib.sha256(f"{self._key}|{self._counter}".encode()).digest()
        self._counter += 1
        return (int.from_bytes(block[:8], "big") >> 11) / (1 << 53)

    def between(self, low: float, high: float) -> float:
        """The next number, uniform between two bounds."""
        return low + (high - low) * self.next()

    def integer_up_to(self, high: int) -> int:
        """Uniform over 0, 1, ..., high."""
        return int(self.next() * (high + 1))
