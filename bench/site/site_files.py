"""The files that a site wrote next to its page. Other files are neither replaced nor deleted.

A list in the folder, `etl-bench-files.json`, holds the digest of every file and what it was made from. A file counts as
the site's own if it is unchanged since it was written. Files of releases without a list are known by their content.
"""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench._util.atomic_write import write_atomically
from bench.errors import UsageError

LIST = "etl-bench-files.json"
_VERSION = 1
_NAME = re.compile(r"(runs|lists|pictures)/[A-Za-z0-9_-][A-Za-z0-9._-]*\.json")
_BRAND = b'class="brand">clip-etl-bench'


@dataclass
class SiteFiles:
    """The files below `folder`, by names such as `runs/<run id>.json`. `save` writes the list."""

    folder: Path
    _listed: dict[str, dict[str, str]] = field(init=False)

    def __post_init__(self) -> None:
        self._listed = _read_list(self.folder / LIST)

    def is_current(self, name: str, source: str) -> bool:
        """Whether the file exists and was made from the same source."""
        return self._listed.get(name, {}).get("source") == source and (self.folder / name).is_file()

    def write(self, name: str, content: bytes, source: str = "") -> None:
        """Write a file and add it to the list; raises UsageError if a file of that name does not belong to the site."""
        path, digest = self.folder / name, _digest(content)
        if path.exists() and not (self._unchanged(name) or _digest_of(path) == digest or _looks_ours(path, name)):
            raise UsageError(
                f"{path} exists and was not written by `etl-bench report`, so it is kept. Choose another folder with "
                "--site, or one file with --out."
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
        self._listed[name] = {"sha256": digest, "source": source}

    def keep_only(self, kind: str, names: Collection[str]) -> None:
        """Delete the site's own files of one kind (`runs`) that are not among `names`."""
        for name in [name for name in self._listed if name.startswith(f"{kind}/") and name not in names]:
            if self._unchanged(name):
                (self.folder / name).unlink(missing_ok=True)
            del self._listed[name]

    def save(self) -> None:
        """Write the list."""
        self.folder.mkdir(parents=True, exist_ok=True)
        content = {"version": _VERSION, "files": self._listed}
        write_atomically(self.folder / LIST, json.dumps(content, indent=0, sort_keys=True).encode())

    def _unchanged(self, name: str) -> bool:
        return name in self._listed and _digest_of(self.folder / name) == self._listed[name]["sha256"]


def check_page(page: Path) -> None:
    """Raise UsageError if there is a page that etl-bench did not write."""
    if page.is_file() and _BRAND not in page.read_bytes():
        raise UsageError(
            f"{page} exists and was not written by `etl-bench report`, so it is kept. Choose another folder with "
            "--site, or name a file with --out."
        )


def _read_list(path: Path) -> dict[str, dict[str, str]]:
    """The entries of a list; empty without one, or if it is damaged. Names that leave the folder are left out."""
    try:
        content = json.loads(path.read_bytes())
        if content["version"] != _VERSION:
            return {}
        return {
            name: {"sha256": str(entry["sha256"]), "source": str(entry["source"])}
            for name, entry in content["files"].items()
            if _NAME.fullmatch(name)
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}


def _looks_ours(path: Path, name: str) -> bool:
    """Whether a file that is not in the list has the content that a site writes under this name."""
    try:
        text = path.read_bytes()
        content: Any = json.loads(text)
    except (OSError, ValueError, RecursionError):
        return False
    if not isinstance(content, Mapping):
        return False
    if name.startswith("runs/"):
        return content.get("run_id") == path.stem and "splits" in content
    if name.startswith("lists/"):
        return _digest(text).startswith(path.stem)
    return all(isinstance(uri, str) and uri.startswith("data:image/") for uri in content.values())


def _digest_of(path: Path) -> str | None:
    try:
        return _digest(path.read_bytes())
    except OSError:
        return None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
