"""The files of the feature cache: blocks of rows by address, each with a checksum. Damaged blocks count as missing."""

import contextlib
import hashlib
import json
import math
import os
from collections.abc import Container, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save
from torch import Tensor

from bench.errors import CacheError
from bench.experiment.features.cache_folder import NAME_FILE, Budget, block_files
from bench.experiment.run_cost import UNKNOWN
from bench.results import locked, write_atomically

_ADDRESS_BYTES = 16
WAIT_SECONDS = 600.0
"""Longest wait for features that another process computes; after it they are computed here, too."""


def address(image_digest: str, view_key: str) -> bytes:
    """The key of one view of one image, within the folder of its backbone."""
    return hashlib.sha256(f"{image_digest}|{view_key}".encode()).digest()[:_ADDRESS_BYTES]


def missing(addresses: Sequence[bytes], known: Container[bytes]) -> list[int]:
    """Positions of the addresses that are not known, each address once."""
    first: dict[bytes, int] = {}
    for i, a in enumerate(addresses):
        if a not in known:
            first.setdefault(a, i)
    return list(first.values())


@dataclass(frozen=True)
class Block:
    """Features by address, and what computing each of them took, `UNKNOWN` if it was not measured."""

    rows: dict[bytes, Tensor]
    nanoseconds: float


class BlockFolder:
    """The blocks of one folder, which any number of processes may read and add to; created with the first block."""

    def __init__(self, folder: Path, budget: Budget | None = None) -> None:
        self.folder = folder
        self._budget = budget
        self._indexed: set[str] = set()
        self._block_of: dict[bytes, Path] = {}

    def read(self, addresses: Sequence[bytes]) -> Iterator[Block]:
        """The blocks that hold some of these addresses, each verified and marked as used; damaged ones are skipped."""
        self._index_new_blocks()
        for path in dict.fromkeys(self._block_of[a] for a in addresses if a in self._block_of):
            block = read_block(path)
            if block is None:
                self._block_of = {a: p for a, p in self._block_of.items() if p != path}
                continue
            mark_used(path)
            yield block

    def alone(self, addresses: Sequence[bytes]) -> AbstractContextManager[None]:
        """Inside this block, no other process computes exactly these addresses.

        One that wants to waits until the block has been left, for at most `WAIT_SECONDS`. This only saves work.
        """
        return locked(self.folder / _name(addresses), timeout=WAIT_SECONDS, leave=False)

    def add(self, addresses: Sequence[bytes], features: Tensor, nanoseconds: float = UNKNOWN) -> int:
        """Write a new block, named by the digest of its addresses; returns its size, or raises CacheError.

        `nanoseconds` is what computing each feature took.
        """
        path = self.folder / f"{_name(addresses)}.safetensors"
        self._indexed.add(path.name)
        size = write_block(path, addresses, features, nanoseconds, self._budget)
        self._block_of.update(dict.fromkeys(addresses, path))
        return size

    def lacking(self, addresses: Sequence[bytes]) -> list[int]:
        """Positions of the addresses that no block holds, each address once; no block is read."""
        self._index_new_blocks()
        return missing(addresses, self._block_of)

    def _index_new_blocks(self) -> None:
        """Read the addresses of blocks that were added since the last time, without their features."""
        if not self.folder.is_dir():
            return
        with os.scandir(self.folder) as entries:
            names = sorted(e.name for e in entries if e.name.endswith(".safetensors") and e.name not in self._indexed)
        for name in names:
            self._indexed.add(name)
            self._block_of.update(dict.fromkeys(block_addresses(self.folder / name), self.folder / name))


def _name(addresses: Sequence[bytes]) -> str:
    return hashlib.sha256(b"".join(addresses)).hexdigest()[:32]


def pack_block(addresses: Sequence[bytes], features: Tensor, nanoseconds: float = UNKNOWN) -> bytes:
    """The bytes of a block, with what computing each of its features took."""
    keys: NDArray[np.uint8] = np.frombuffer(b"".join(addresses), dtype=np.uint8).reshape(len(addresses), _ADDRESS_BYTES)
    tensors = {"addresses": torch.from_numpy(keys.copy()), "features": features.contiguous()}
    cost = "" if math.isnan(nanoseconds) else str(int(nanoseconds))
    return save(tensors, metadata={"sha256": _checksum(tensors, cost), "nanoseconds": cost})


def block_addresses(path: Path) -> list[bytes]:
    """Addresses in a block, without reading its features; empty if the file is not a block."""
    try:
        with safe_open(str(path), framework="np") as file:
            return _split_keys(file.get_tensor("addresses").tobytes())
    except (OSError, SafetensorError):
        return []


def read_block(path: Path) -> Block | None:
    """The features of a block; None if the file is missing, damaged or not a block."""
    try:
        content = path.read_bytes()
        header_size = int.from_bytes(content[:8], "little")
        stated = json.loads(content[8 : 8 + header_size])["__metadata__"]
        cost = stated["nanoseconds"]
        tensors = load(content)
        if stated["sha256"] != _checksum(tensors, cost):
            return None
        keys = _split_keys(tensors["addresses"].numpy().tobytes())
    except (OSError, ValueError, KeyError, TypeError, SafetensorError):
        return None
    return Block(dict(zip(keys, tensors["features"], strict=False)), int(cost) if cost else UNKNOWN)


def damaged_files(folder: Path) -> list[Path]:
    """Damaged blocks of a cache folder; reads every byte of the cache."""
    return [path for path in block_files(folder) if read_block(path) is None]


def write_block(
    path: Path, addresses: Sequence[bytes], features: Tensor, nanoseconds: float, budget: Budget | None
) -> int:
    """Write a block and count it in the budget; returns its size, or raises CacheError if it cannot be written."""
    content = pack_block(addresses, features, nanoseconds)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    except OSError as error:
        raise CacheError(
            f"The feature cache {path.parent} cannot be written ({error.strerror}); free space or give another --cache."
        ) from error
    if budget is not None:
        budget.written(len(content))
    return len(content)


def mark_used(path: Path) -> None:
    """Update the time of last use, by which the budget decides what is deleted first."""
    with contextlib.suppress(OSError):  # a read-only cache can still be read
        os.utime(path)


def name_folder(folder: Path, slug: str) -> None:
    """Create the folder of a backbone, whose name is a digest, and write the backbone's slug into it for people."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / NAME_FILE).exists():
            (folder / NAME_FILE).write_text(f"{slug}\n", encoding="utf-8")
    except OSError as error:
        raise CacheError(
            f"The feature cache {folder} cannot be created ({error.strerror}); give another --cache."
        ) from error


def _split_keys(keys: bytes) -> list[bytes]:
    return [keys[i : i + _ADDRESS_BYTES] for i in range(0, len(keys), _ADDRESS_BYTES)]


def _checksum(tensors: dict[str, Tensor], cost: str) -> str:
    sha = hashlib.sha256(cost.encode())
    for name in ("addresses", "features"):
        sha.update(tensors[name].numpy().tobytes())
    return sha.hexdigest()
