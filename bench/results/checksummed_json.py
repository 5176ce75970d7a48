"""JSON documents with a checksum of their content. Damaged files are renamed, so that no reader uses them."""

import errno
import json
import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bench.bounds import LARGEST_RECORD
from bench.errors import ShardError
from bench.results.files import sha256
from datasets_registry import canonical_json, foreign_files

MOST_RECORD_VALUES = 1_000_000
"""Values in the record of a run, which is mostly the digests of its training images."""

SHARD_VERSION = 1
_LOG = logging.getLogger("bench.results.shards")


class DamagedError(Exception):
    """A file that is incomplete or does not match its checksum."""


def encode_document(document: dict[str, Any], record: object) -> bytes:
    """The bytes of a file with `record`, its checksum, and the other entries of `document`."""
    checked = document | {"record": record, "record_sha256": sha256(canonical_json(record).encode())}
    return dump_document(checked)


def dump_document(document: dict[str, Any]) -> bytes:
    """The bytes of a document that has its checksum."""
    return json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False).encode() + b"\n"


def read_content(path: Path) -> bytes:
    """The bytes of a file with a document; raises FileNotFoundError, DamagedError, or ShardError for other errors."""
    try:
        return foreign_files.read_bytes(path, LARGEST_RECORD)
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.EISDIR, errno.EFBIG):
            raise DamagedError(str(error.strerror)) from error
        if error.errno == errno.ELOOP:
            raise DamagedError("it is a symbolic link that leads to itself") from error
        raise ShardError(f"{path} cannot be read: {error.strerror or error}.") from error


def parse_document(text: bytes, where: str) -> dict[str, Any]:
    """The document in these bytes, its checksum verified; raises DamagedError, or ShardError for another version."""
    try:
        document = foreign_files.parse_json(text, MOST_RECORD_VALUES)
        version, record, expected = int(document["shard_version"]), document["record"], document["record_sha256"]
        digest = sha256(canonical_json(record).encode()) if version == SHARD_VERSION else None
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise DamagedError(f"incomplete or not a shard: {error}") from error
    except RecursionError as error:  # the record is as deep as the canonical form can be
        raise DamagedError("incomplete or not a shard: its values are nested too deeply") from error
    if version != SHARD_VERSION:
        raise ShardError(f"{where} has shard version {version}, and this etl-bench reads version {SHARD_VERSION} only.")
    if digest != expected:
        raise DamagedError("the record does not match its checksum")
    assert isinstance(document, dict)
    return document


def unreadable(path: Path, error: ValidationError) -> str:
    """The message for an undamaged file whose content is not a record."""
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return (
        f"{path} is intact but not a record of this etl-bench ({place}: {first['msg']}). "
        "Read it with the etl-bench that wrote it, or move it away to compute the run again."
    )


def quarantine(path: Path, reason: str, *others: Path) -> None:
    """Rename a damaged file, and others that belong to it, and log a warning."""
    try:
        for file in (*others, path):
            renamed, number = None, 1
            while os.path.lexists(target := file.with_name(f"{file.name}.damaged-{number}")):
                number += 1
            with suppress(FileNotFoundError):  # another reader may have renamed it
                renamed = file.rename(target)
    except OSError as error:
        _LOG.warning("Damaged: %s (%s). Its content counts as missing.", path, reason)
        _LOG.debug("Not renamed: %s", error)
        return
    if renamed is not None:
        _LOG.warning("Damaged: %s (%s). Renamed to %s; its content counts as missing.", path, reason, renamed.name)
