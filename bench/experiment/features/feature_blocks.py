"""The cache's files: rows of numbers by address, with a checksum; torn or altered ones read as none."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save
from torch import Tensor

from bench._util.atomic_write import write_atomically
from bench.errors import CacheError
from bench.experiment.features.budget import Budget

NAME_FILE = "backbone.txt"
"""In a backbone's folder: its slug."""

UNWRITABLE = "The feature cache {folder} cannot be written ({reason}); free space or give another --cache."
_ADDRESS_BYTES = 16


def address(image_digest: str, view_key: str) -> bytes:
    """Where the feature of one view of one image is kept, within the folder of its backbone."""
    return hashlib.sha256(f"{image_digest}|{view_key}".encode()).digest()[:_ADDRESS_BYTES]


def pack_block(addresses: Sequence[bytes], features: Tensor) -> bytes:
    """The bytes of a shard."""
    keys: NDArray[np.uint8] = np.frombuffer(b"".join(addresses), dtype=np.uint8).reshape(len(addresses), _ADDRESS_BYTES)
    tensors = {"addresses": torch.from_numpy(keys.copy()), "features": features.contiguous()}
    return save(tensors, metadata={"sha256": _checksum(tensors)})


def block_addresses(path: Path) -> list[bytes]:
    """Addresses in a shard, without reading its features; none if it is no shard of ours."""
    try:
        with safe_open(str(path), framework="np") as file:
            keys = file.get_tensor("addresses").tobytes()
    except (OSError, SafetensorError):
        return []
    return [keys[i : i + _ADDRESS_BYTES] for i in range(0, len(keys), _ADDRESS_BYTES)]


def read_block(path: Path) -> dict[bytes, Tensor] | None:
    """Features by address, or None for a shard that is torn, altered or not ours."""
    try:
        content = path.read_bytes()
        header_size = int.from_bytes(content[:8], "little")
        stated = json.loads(content[8 : 8 + header_size])["__metadata__"]["sha256"]
        tensors = load(content)
        if stated != _checksum(tensors):
            return None
        keys = tensors["addresses"].numpy().tobytes()
    except (OSError, ValueError, KeyError, TypeError, SafetensorError):
        return None
    return {keys[i * _ADDRESS_BYTES : (i + 1) * _ADDRESS_BYTES]: row for i, row in enumerate(tensors["features"])}


def write_block(path: Path, content: bytes, budget: Budget | None, *, unwritable: str = UNWRITABLE) -> None:
    """Write a shard, its folder first, and tell the budget.

    Args:
        path: the file.
        content: of `pack_block`.
        budget: what keeps the cache below its limit, None without one.
        unwritable: the message where it cannot be written, with `{folder}` and `{reason}`.

    Raises:
        CacheError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    except OSError as error:
        raise CacheError(unwritable.format(folder=path.parent, reason=error.strerror)) from error
    if budget is not None:
        budget.written(len(content))


def mark_used(path: Path) -> None:
    """Note that a shard was read, so that those unused for longest go first when room is made."""
    with contextlib.suppress(OSError):  # a cache that cannot be written is still good to read
        os.utime(path)


def _checksum(tensors: dict[str, Tensor]) -> str:
    sha = hashlib.sha256()
    for name in ("addresses", "features"):
        sha.update(tensors[name].numpy().tobytes())
    return sha.hexdigest()
