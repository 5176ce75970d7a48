"""One file from the first mirror that gives it whole: resumed where it was cut, checked, then put under its name."""

from __future__ import annotations

import errno
import json
import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datasets_registry._download.sources import SourceFile
from datasets_registry._errors import DataError

Progress = Callable[[int, int | None], None]
"""Told of the bytes that are there, and of the whole number if it is known."""

CHUNK = 1 << 14
"""Bytes written at a time; what is cut off within a chunk is lost, so it is small."""
TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class RetryPolicy:
    """How long to wait, and how often to try.

    Args:
        connect: seconds until a connection must stand.
        read: seconds in which some byte must come.
        tries: attempts at one mirror that bring not a single byte before the next mirror is asked.
        pause: seconds before the second attempt; doubled for each further one.
    """

    connect: float = 15.0
    read: float = 60.0
    tries: int = 4
    pause: float = 1.0


class _UselessMirrorError(Exception):
    """A mirror that answers, but not with the file."""


class _StartAgainError(Exception):
    """The part on disk does not continue what the mirror has."""


def download(
    file: SourceFile,
    target: Path,
    *,
    mirrors: list[str],
    progress: Progress = lambda _done, _total: None,
    retry_policy: RetryPolicy | None = None,
) -> None:
    """Get a file to `target`, from the first of `mirrors` that gives it.

    What came before a cut stays in `target.name + ".part"`, for this call and for later ones. With a checksum a part
    goes on at any mirror, since the whole is checked; without one only at the mirror it came from, if its tag is still
    the same.

    Raises:
        DataError: no mirror gave it (each is named with its reason), or it cannot be written.
    """
    import pooch
    import requests

    pooch.get_logger().setLevel(logging.ERROR)  # what is to be said is said here
    retry_policy = retry_policy or RetryPolicy()
    reasons: list[str] = []
    for url in mirrors:
        fetcher = _Resuming(file, target, progress, retry_policy)
        failures = 0
        while True:
            before = fetcher.part_size
            try:
                pooch.retrieve(url, file.checksum, fname=target.name, path=target.parent, downloader=fetcher)
                return
            except _UselessMirrorError as error:
                reasons.append(f"{url}: {error}")
                break
            except ValueError:  # pooch's word for a checksum that is not the known one
                fetcher.forget()
                if fetcher.resumed:  # the part may have been of another file; once more from the start
                    fetcher.resumed = False
                    continue
                reasons.append(
                    f"{url}: gives another file than the published one (its checksum is not {file.checksum})"
                )
                break
            except _StartAgainError:
                fetcher.forget()
            except requests.RequestException as error:
                failures = 1 if fetcher.part_size > before else failures + 1
                if failures >= retry_policy.tries:
                    reasons.append(f"{url}: {_short(error)}")
                    break
                time.sleep(retry_policy.pause * 2 ** (failures - 1))
            except OSError as error:
                raise _cannot_write(target, error) from error
    raise DataError(
        f"{file.name} could not be fetched. {'; '.join(reasons)}. Check the network and run the command again, which "
        f"goes on where it stopped; or open {file.page()} in a browser and put the file at {target}."
    )


@dataclass
class _Resuming:
    """A downloader for pooch that keeps what has come in a part file."""

    file: SourceFile
    target: Path
    progress: Progress
    retry_policy: RetryPolicy
    resumed: bool = field(default=False, init=False)

    @property
    def part(self) -> Path:
        return self.target.with_name(f"{self.target.name}.part")

    @property
    def notes(self) -> Path:
        """Where the part came from: URL and the server's tag of that version of the file."""
        return self.target.with_name(f"{self.target.name}.part.json")

    @property
    def part_size(self) -> int:
        return self.part.stat().st_size if self.part.is_file() else 0

    def forget(self) -> None:
        """Throw the part away."""
        self.part.unlink(missing_ok=True)
        self.notes.unlink(missing_ok=True)

    def __call__(self, url: str, output_file: str, _pooch: Any, check_only: bool = False) -> None:
        """Fetch `url` to `output_file`, going on with the part where that is sound."""
        import requests

        if check_only:
            raise ValueError("pooch's check_only is not offered here; ask the server with a HEAD request instead.")
        headers = {"Accept-Encoding": "identity"}  # ranges and sizes are of the file itself
        offset = self._resumable(url, headers)
        timeout = (self.retry_policy.connect, self.retry_policy.read)
        with requests.get(url, headers=headers, stream=True, timeout=timeout) as answer:
            if answer.status_code == 416 and offset and _whole_size(answer) == offset:
                self._finish(output_file)
                return
            if answer.status_code == 416:
                raise _StartAgainError
            self._refuse(answer)
            if answer.status_code != 206:
                offset = 0
            elif _range_start(answer) != offset:
                raise _StartAgainError
            self.resumed = self.resumed or offset > 0
            total = _total_size(answer, offset)
            if self.file.size is not None and total is not None and total != self.file.size:
                raise _UselessMirrorError(f"its file has {total} bytes, where the published one has {self.file.size}")
            self._receive(answer, offset, total, url)
        if total is not None and self.part_size < total:
            raise requests.ConnectionError(f"it ended after {self.part_size} of {total} bytes")
        self._finish(output_file)

    def _resumable(self, url: str, headers: dict[str, str]) -> int:
        size = self.part_size
        if not size:
            return 0
        try:
            known = json.loads(self.notes.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            known = {}
        same = known.get("url") == url and known.get("tag")
        if not same and self.file.checksum is None:
            return 0
        headers["Range"] = f"bytes={size}-"
        if same:
            headers["If-Range"] = known["tag"]
        return size

    def _refuse(self, answer: Any) -> None:
        import requests

        status = answer.status_code
        if status in TRANSIENT:
            raise requests.ConnectionError(f"it answers {status} {answer.reason}")
        if status not in {200, 206}:
            raise _UselessMirrorError(f"it answers {status} {answer.reason}")
        kind = answer.headers.get("Content-Type", "")
        if kind.startswith("text/html") and not self.file.name.endswith((".html", ".htm")):
            raise _UselessMirrorError("it answers with a web page in place of the file (a login, a quota, a warning)")

    def _receive(self, answer: Any, offset: int, total: int | None, url: str) -> None:
        tag = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
        usable = "" if tag.startswith("W/") else tag  # a weak tag promises nothing about bytes
        self.notes.write_text(json.dumps({"url": url, "tag": usable}), encoding="utf-8")
        with self.part.open("r+b" if offset else "wb") as out:
            out.seek(offset)
            out.truncate()
            self.progress(offset, total)
            for chunk in answer.iter_content(CHUNK):
                out.write(chunk)
                offset += len(chunk)
                self.progress(offset, total)

    def _finish(self, output_file: str) -> None:
        self.part.replace(output_file)
        self.notes.unlink(missing_ok=True)


def _range_start(answer: Any) -> int | None:
    text = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(text) if text.isdecimal() else None


def _whole_size(answer: Any) -> int | None:
    text = answer.headers.get("Content-Range", "").rpartition("/")[2]
    return int(text) if text.isdecimal() else None


def _total_size(answer: Any, offset: int) -> int | None:
    length = answer.headers.get("Content-Length", "")
    return int(length) + offset if length.isdecimal() else None


def _short(error: Exception) -> str:
    """A network error without the insides of the libraries."""
    text = str(error)
    if "timed out" in text.lower():
        return "it stopped answering"
    if "NameResolution" in text or "getaddrinfo" in text or "Name or service" in text:
        return "its name cannot be found; is there a network?"
    if "refused" in text.lower():
        return "it refuses the connection"
    return " ".join(text.split())[:120]


def _cannot_write(target: Path, error: OSError) -> DataError:
    if error.errno == errno.ENOSPC:
        free = shutil.disk_usage(target.parent).free / 1e9
        return DataError(
            f"The disk of {target.parent} is full ({free:.1f} GB free) while writing {target.name}. Make room and run "
            f"the command again, which goes on where it stopped; or give another --data-root."
        )
    return DataError(f"{target} cannot be written ({error}). Give a --data-root that can be written.")
