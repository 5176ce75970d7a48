"""Downloads one file: tries its mirrors in order, resumes interrupted transfers and verifies the checksum."""

import errno
import hashlib
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datasets_registry._download.sources import SourceFile
from datasets_registry._errors import DataError
from datasets_registry._limits import LARGEST_DOWNLOAD, LARGEST_LIST_DOWNLOAD

DownloadProgress = Callable[[int, int | None], None]
"""Called with the bytes downloaded so far and the total, or None if the server does not report it."""

CHUNK_SIZE = 1 << 14
"""Bytes written at a time. An interruption loses at most one chunk, so it is small."""
LONGEST_NUMBER = 20
"""Digits of a size in a header."""
LEAST_PROGRESS = 1 << 16
"""New bytes after which attempts are counted from one again, so that a server that gives a few each time ends."""
TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
"""HTTP status codes after which a download is tried again."""


@dataclass(frozen=True)
class RetryPolicy:
    """Timeouts and retries.

    Args:
        connect: seconds to wait for a connection.
        read: seconds to wait for the next byte.
        tries: number of consecutive attempts with less than 64 KiB of new content, and of starts from zero, after which
            the next mirror is tried.
        pause: seconds before the second attempt; doubled before each further attempt.
        sleep: waits that many seconds.
    """

    connect: float = 15.0
    read: float = 60.0
    tries: int = 4
    pause: float = 1.0
    sleep: Callable[[float], None] = time.sleep


class _MirrorError(Exception):
    """The mirror responded, but not with the file."""


class _RestartError(Exception):
    """The partial file does not match the mirror's file; the message says how it was noticed."""


def download_file(
    file: SourceFile,
    target: Path,
    *,
    mirrors: list[str],
    retry_policy: RetryPolicy,
    progress: DownloadProgress = lambda _done, _total: None,
) -> None:
    """Download a file to `target` from the first of `mirrors` that serves it.

    An interrupted transfer leaves `target.name + ".part"`, which this call and later ones resume. With a checksum, any
    mirror may resume it, since the whole file is verified. Without a checksum, only the same mirror may, and only if
    the server's tag is unchanged. An existing `target` with the right checksum is kept without any request.

    Every repetition is counted and follows a pause. A file of a stated size may have no other, and one of unknown size
    at most `LARGEST_DOWNLOAD` bytes, or `LARGEST_LIST_DOWNLOAD` if it is no archive.

    Raises DataError if no mirror served the file (the message lists the reason of each), or if the file cannot be
    written.
    """
    if target.is_file() and has_checksum(target, file.checksum):
        return
    reasons: list[str] = []
    for url in mirrors:
        try:
            reason = _reason_of_failure(_Transfer(file, target, progress, retry_policy), url)
        except OSError as error:
            raise _cannot_write(target, error) from error
        if reason is None:
            return
        reasons.append(f"{url}: {reason}")
    raise DataError(
        f"{file.name} could not be fetched. {'; '.join(reasons)}. Check the network and run the command again, which "
        f"resumes the download; or open {file.page()} in a browser and put the file at {target}."
    )


def _reason_of_failure(transfer: "_Transfer", url: str) -> str | None:
    """Fetch the file from one mirror, with repetitions: None, or why it failed.

    Raises OSError if the file cannot be written.
    """
    import requests

    policy = transfer.retry_policy
    failures = restarts = 0
    while True:
        before = transfer.part_size
        try:
            transfer.fetch(url)
            transfer.complete()
            return None
        except _MirrorError as error:
            return str(error)
        except _RestartError as error:
            transfer.discard()
            count, reason = (restarts := restarts + 1), str(error)
        except requests.RequestException as error:
            failures = 1 if transfer.part_size >= before + LEAST_PROGRESS else failures + 1
            count, reason = failures, _short(error)
        if count >= policy.tries:
            return reason
        policy.sleep(policy.pause * 2 ** (count - 1))


def has_checksum(path: Path, checksum: str | None) -> bool:
    """Whether a file has the published checksum, `algorithm:digest`; True if none is published."""
    if checksum is None:
        return True
    algorithm, _, digest = checksum.partition(":")
    with path.open("rb") as content:
        return hashlib.file_digest(content, algorithm).hexdigest() == digest


@dataclass
class _Transfer:
    """The transfer of one file from one mirror into a partial file that can be resumed."""

    file: SourceFile
    target: Path
    progress: DownloadProgress
    retry_policy: RetryPolicy
    resumed: bool = field(default=False, init=False)

    @property
    def most(self) -> int:
        """The most bytes that the file may have."""
        if self.file.size is not None:
            return self.file.size
        return LARGEST_LIST_DOWNLOAD if self.file.unpack is None else LARGEST_DOWNLOAD

    @property
    def part(self) -> Path:
        return self.target.with_name(f"{self.target.name}.part")

    @property
    def notes(self) -> Path:
        """The file that records the partial file's URL and the server's tag of that version."""
        return self.target.with_name(f"{self.target.name}.part.json")

    @property
    def part_size(self) -> int:
        return self.part.stat().st_size if self.part.is_file() else 0

    def discard(self) -> None:
        """Delete the partial file."""
        self.part.unlink(missing_ok=True)
        self.notes.unlink(missing_ok=True)
        self.resumed = False

    def complete(self) -> None:
        """Move the finished file to its place.

        Raises _MirrorError if it is not the published one, or _RestartError if its beginning may be of another version.
        """
        size = self.part_size
        if self.file.size not in (None, size):
            problem = f"its file has {size} bytes, but the published one has {self.file.size}"
        elif not has_checksum(self.part, self.file.checksum):
            problem = f"serves a file that differs from the published one (its checksum is not {self.file.checksum})"
        else:
            self.part.replace(self.target)
            self.notes.unlink(missing_ok=True)
            return
        if self.resumed:
            raise _RestartError(problem)
        self.discard()
        raise _MirrorError(problem)

    def fetch(self, url: str) -> None:
        """Complete the partial file; resume it if that is safe."""
        import requests

        headers = {"Accept-Encoding": "identity"}  # ranges and sizes must refer to the file itself
        offset = self._resume_offset(url, headers)
        timeout = (self.retry_policy.connect, self.retry_policy.read)
        with requests.get(url, headers=headers, stream=True, timeout=timeout) as response:
            content_range = response.headers.get("Content-Range", "").removeprefix("bytes ")
            if response.status_code == 416:
                if offset and _number(content_range.rpartition("/")[2]) == offset:
                    self.resumed = True
                    return
                if not offset:
                    raise _MirrorError("it responds with 416, although the whole file was requested")
                raise _RestartError("it cannot continue the partial file (416)")
            self._check_response(response)
            if response.status_code != 206:
                offset = 0
            elif _number(content_range.partition("-")[0]) != offset:
                raise _RestartError("it continues the file at another byte than requested")
            self.resumed = self.resumed or offset > 0
            length = _number(response.headers.get("Content-Length", ""))
            total = None if length is None else length + offset
            if self.file.size is not None and total is not None and total != self.file.size:
                raise _MirrorError(f"its file has {total} bytes, but the published one has {self.file.size}")
            if total is not None and total > self.most:
                raise _MirrorError(f"its file has {total} bytes; at most {self.most} are fetched")
            self._receive(response, offset, total, url)
        if total is not None and self.part_size < total:
            raise requests.ConnectionError(f"the connection closed after {self.part_size} of {total} bytes")

    def _resume_offset(self, url: str, headers: dict[str, str]) -> int:
        size = self.part_size
        if not size:
            return 0
        try:
            recorded = json.loads(self.notes.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            recorded = {}
        same = recorded.get("url") == url and recorded.get("tag")
        if not same and self.file.checksum is None:
            return 0
        headers["Range"] = f"bytes={size}-"
        if same:
            headers["If-Range"] = recorded["tag"]
        return size

    def _check_response(self, response: Any) -> None:
        import requests

        status = response.status_code
        if status in TRANSIENT:
            raise requests.ConnectionError(f"it responds with {status} {response.reason}")
        if status not in {200, 206}:
            raise _MirrorError(f"it responds with {status} {response.reason}")
        encoding = response.headers.get("Content-Encoding", "identity")
        if encoding != "identity":
            raise _MirrorError(f"it sends the file compressed ({encoding[:20]}), although that was not requested")
        kind = response.headers.get("Content-Type", "")
        if kind.startswith("text/html") and not self.file.name.endswith((".html", ".htm")):
            raise _MirrorError("it responds with a web page instead of the file (a login, a quota, a warning)")

    def _receive(self, response: Any, offset: int, total: int | None, url: str) -> None:
        tag = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
        usable = "" if tag.startswith("W/") else tag  # a weak tag does not promise equal bytes
        self.notes.write_text(json.dumps({"url": url, "tag": usable}), encoding="utf-8")
        with self.part.open("r+b" if offset else "wb") as out:
            out.seek(offset)
            out.truncate()
            self.progress(offset, total)
            for chunk in response.iter_content(CHUNK_SIZE):
                if offset + len(chunk) > self.most:
                    break
                out.write(chunk)
                offset += len(chunk)
                self.progress(offset, total)
            else:
                return
        self.discard()
        raise _MirrorError(f"it sends more than {self.most} bytes, the most that are fetched")


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) <= LONGEST_NUMBER else None


def _short(error: Exception) -> str:
    """A network error in plain words."""
    text = " ".join(str(error).split())
    if "timed out" in text.lower():
        return "it stopped responding"
    if any(words in text for words in ("NameResolution", "getaddrinfo", "Name or service")):
        return "its host name cannot be resolved; is there a network?"
    return "it refuses the connection" if "refused" in text.lower() else text[:120]


def _cannot_write(target: Path, error: OSError) -> DataError:
    if error.errno == errno.ENOSPC:
        free = shutil.disk_usage(target.parent).free / 1e9
        return DataError(
            f"The disk of {target.parent} is full ({free:.1f} GB free) while writing {target.name}. Free some space "
            f"and run the command again, which resumes the download; or give another --data-root."
        )
    return DataError(f"{target} cannot be written ({error}). Give a --data-root that is writable.")
