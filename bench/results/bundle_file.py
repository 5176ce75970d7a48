"""The bundle file: a zip of files from a runs folder, with a list of their digests and a root digest over the list.

Bundles are untrusted: names must be paths of runs or difficulties, the files must be exactly those of the list, and
their sizes and digests must match it. Nothing is unpacked to a path from the bundle.
"""

import hashlib
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bench
from bench.errors import BundleError

BUNDLE_VERSION = 1
LIST = "bundle.json"
LARGEST_LIST = 256 * 2**20
"""Largest list that is read, in bytes; the list of a million files is smaller."""
LARGEST_FILE = {".json": 32 * 2**20, ".safetensors": 2**30}
"""Largest file that is unpacked, in bytes. The predictions of all 50,000 images of ImageNet take about 5 MiB."""
RUN_FILE = re.compile(r"shards/(?P<head>[0-9a-f]{2})/(?P<run>(?P=head)[0-9a-f]{14})\.(json|predictions\.safetensors)")
DIFFICULTY_FILE = re.compile(r"difficulty/[A-Za-z0-9_-][A-Za-z0-9._-]{0,200}/[A-Za-z0-9_-][A-Za-z0-9._-]{0,200}\.json")
UNPACKING = (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, NotImplementedError, struct.error)
"""Errors that unpacking a damaged, encrypted or differently compressed file raises."""
_EPOCH = (1980, 1, 1, 0, 0, 0)
_SHOWN = 5


@dataclass(frozen=True)
class OpenBundle:
    """A bundle whose list has been checked.

    Args:
        sizes: size of each file in bytes, from the list; `read` unpacks no more.
        read: checks the digest of a file and returns its bytes.
    """

    root: str
    names: tuple[str, ...]
    sizes: Mapping[str, int]
    read: Callable[[str], bytes]


def write_bundle(files: Mapping[str, Path], out: Path) -> str:
    """Write files under their names and return the root digest; equal files give equal bytes. May raise BundleError."""
    listed = []
    partial = out.with_name(f".{out.name}.partial")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in sorted(files):
                content = files[name].read_bytes()
                listed.append({"path": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()})
                archive.writestr(_entry(name), content)
            root = _root(listed)
            facts = {"bundle_version": BUNDLE_VERSION, "package_version": bench.__version__, "root": root}
            archive.writestr(_entry(LIST), json.dumps(facts | {"files": listed}, indent=1, sort_keys=True))
        partial.replace(out)
    except OSError as error:
        raise BundleError(f"{out} cannot be written ({error.strerror}); give another path.") from error
    finally:
        partial.unlink(missing_ok=True)
    return root


@contextmanager
def open_bundle(path: Path) -> Iterator[OpenBundle]:
    """Open a bundle, which may be larger than memory, and check its list; raises BundleError if it is damaged."""
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise BundleError(
            f"{path} cannot be read as a bundle ({getattr(error, 'strerror', None) or error}); give a file that "
            "`etl-bench results export` wrote."
        ) from error
    with archive:
        facts = _facts(archive, path)
        entries = {str(entry["path"]): entry for entry in facts["files"]}
        sizes = {name: int(entry["bytes"]) for name, entry in entries.items()}
        yield OpenBundle(facts["root"], tuple(entries), sizes, lambda name: _content(archive, entries[name], path))


def bundle_error(path: Path, what: str) -> BundleError:
    """The error for a bundle with something wrong in it."""
    return BundleError(f"{path}: {what}. Nothing was imported; obtain the bundle again.")


def _facts(archive: zipfile.ZipFile, path: Path) -> dict[str, Any]:
    """The list, after checking that its names are allowed and that the zip has exactly these files, each once."""
    held = [info.filename for info in archive.infolist()]
    if LIST not in held:
        raise BundleError(f"{path} has no {LIST}; give a file that `etl-bench results export` wrote.")
    if archive.getinfo(LIST).file_size > LARGEST_LIST:
        raise bundle_error(path, f"{LIST} is larger than {LARGEST_LIST // 2**20} MiB, more than any bundle needs")
    try:
        facts: dict[str, Any] = json.loads(archive.read(LIST))
        version, stated = int(facts["bundle_version"]), str(facts["root"])
        names = [str(entry["path"]) for entry in facts["files"]]
        root = _root(facts["files"])
    except (*UNPACKING, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise bundle_error(path, f"{LIST} is damaged or altered ({error})") from error
    if version > BUNDLE_VERSION:
        raise BundleError(
            f"{path} has bundle version {version}, and this etl-bench reads up to {BUNDLE_VERSION}; upgrade it."
        )
    for name in names:
        if not (RUN_FILE.fullmatch(name) or DIFFICULTY_FILE.fullmatch(name)):
            raise bundle_error(path, f"{name!r} is not the path of a run or a difficulty")
    if sorted(held) != sorted([*names, LIST]):
        odd = sorted(set(held) ^ {*names, LIST}) or sorted({name for name in held if held.count(name) > 1})
        raise bundle_error(path, f"its files and its list disagree on {', '.join(map(repr, odd[:_SHOWN]))}")
    if root != stated:
        raise bundle_error(path, f"the digests in {LIST} do not match its root, so the list was altered")
    return facts


def _content(archive: zipfile.ZipFile, entry: Mapping[str, Any], path: Path) -> bytes:
    """The bytes of one file; no more is unpacked than the list states."""
    name, size = str(entry["path"]), int(entry["bytes"])
    if size > (most := LARGEST_FILE[Path(name).suffix]):
        raise bundle_error(path, f"{name} has {size} bytes, more than the {most // 2**20} MiB that any run needs")
    try:
        with archive.open(name) as file:
            content = file.read(size + 1)
    except UNPACKING as error:
        raise bundle_error(path, f"{name} cannot be unpacked ({error})") from error
    if len(content) != size or hashlib.sha256(content).hexdigest() != entry["sha256"]:
        raise bundle_error(path, f"{name} does not match the list, so it was altered or damaged")
    return content


def _entry(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, date_time=_EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    return info


def _root(listed: Sequence[Mapping[str, Any]]) -> str:
    """One digest over all names and digests; bundles with the same root have the same files."""
    lines = sorted(f"{entry['path']} {int(entry['bytes'])} {entry['sha256']}\n" for entry in listed)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
