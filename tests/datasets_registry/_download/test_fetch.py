"""Downloads from a local server that cuts, corrupts, redirects, stalls and rejects."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import json
import os
import shutil
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from limited import limited

from datasets_registry import (
    DataError,
    DatasetInfo,
    DatasetSource,
    FetchOptions,
    FetchProgress,
    SourceFile,
    dataset_sources,
    fetch_dataset,
    files_to_fetch,
    get_dataset,
    origin_of_images,
    way_to_get,
)
from datasets_registry._download import fetch as fetch_module
from datasets_registry._download.download import download_file
from datasets_registry._download.unpack import unpack_archive

QUICK = fetch_module.RetryPolicy(connect=2, read=0.3, tries=3, pause=0.01)
CONTENT = bytes(range(256)) * 4096  # 1 MiB


class Server:
    """Serves files with ranges and tags. `plan[path]` lists its responses to the next requests; the last one repeats.

    Responses: `ok`, `cut N` (closes after N bytes), `corrupt`, `stall N` (sends nothing after N bytes), `html`,
    `redirect PATH`, `whole` (ignores ranges), `shifted` (continues at another byte), `endless` (states no length and
    does not end), `states N` (states that length), `gzip` (compresses), or a status such as `404`.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.plan: dict[str, list[str]] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.released = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.respond(self)

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.http.server_address[1]}{path}"

    def close(self) -> None:
        self.released.set()
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()

    def respond(self, request: BaseHTTPRequestHandler) -> None:
        path, wanted = request.path, request.headers.get("Range")
        self.requests.append((path, wanted))
        plan = self.plan.get(path, ["ok"])
        word, _, argument = (plan.pop(0) if len(plan) > 1 else plan[0]).partition(" ")
        if word.isdecimal() or path not in self.files:
            return self._head(request, int(word) if word.isdecimal() else 404, {"Content-Length": "0"})
        if word == "redirect":
            return self._head(request, 302, {"Location": argument, "Content-Length": "0"})
        content = self.files[path]
        if word in {"endless", "gzip"}:
            self._head(request, 200, {"Content-Encoding": "gzip"} if word == "gzip" else {})
            with suppress(OSError):  # the client stops reading
                while not self.released.is_set():
                    request.wfile.write(content)
            request.close_connection = True
            return None
        if word == "html":
            page = b"<!DOCTYPE html><title>Virus scan warning</title>"
            self._head(request, 200, {"Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(page))})
            request.wfile.write(page)
            return None
        tag = f'"{hashlib.md5(content).hexdigest()}"'
        start = 0
        if wanted and word != "whole" and request.headers.get("If-Range", tag) == tag:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                return self._head(request, 416, {"Content-Range": f"bytes */{len(content)}", "Content-Length": "0"})
        body = content[start:]
        headers = {"Content-Length": str(len(body)), "ETag": tag, "Content-Type": "application/octet-stream"}
        if start:
            headers["Content-Range"] = f"bytes {start + (word == 'shifted')}-{len(content) - 1}/{len(content)}"
        if word == "states":
            headers["Content-Length"] = argument
        self._head(request, 206 if start else 200, headers)
        if word == "corrupt":
            body = body[:100] + b"X" + body[101:]
        if word in {"cut", "stall"}:
            body = body[: int(argument)]
        request.wfile.write(body)
        request.wfile.flush()
        if word == "stall":
            self.released.wait(5)
        request.close_connection = True
        return None

    def _head(self, request: BaseHTTPRequestHandler, status: int, headers: dict[str, str]) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.end_headers()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    running = Server()
    running.files["/a.bin"] = running.files["/b.bin"] = CONTENT
    yield running
    running.close()


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


FILE = SourceFile(name="a.bin", urls=("http://elsewhere/a.bin",), checksum=sha256(CONTENT), to="a.bin")


def get(server: Server, target: Path, *paths: str, file: SourceFile = FILE) -> list[tuple[int, int | None]]:
    seen: list[tuple[int, int | None]] = []
    mirrors = [server.url(path) for path in paths]
    download_file(file, target, mirrors=mirrors, progress=lambda *n: seen.append(n), retry_policy=QUICK)
    assert [path.name for path in target.parent.iterdir()] == [target.name], "nothing is left beside the file"
    return seen


# --- one file ---------------------------------------------------------------------------------------------------------


FETCHED = {
    "a cut connection": (["cut 327680", "cut 327680", "ok"], ["/a.bin", "/a.bin 327680-", "/a.bin 655360-"]),
    "a stalled connection": (["stall 327680", "ok"], ["/a.bin", "/a.bin 327680-"]),
    "no range requests": (["cut 327680", "whole"], ["/a.bin", "/a.bin 327680-"]),
    "busy": (["503", "429", "ok"], ["/a.bin"] * 3),
    "a redirect": (["redirect /b.bin"], ["/a.bin", "/b.bin"]),
    "timeouts": (["stall 0"], [*["/a.bin"] * 3, "/b.bin"]),
    "cut, then gone": (["cut 491520", "404"], ["/a.bin", "/a.bin 491520-", "/b.bin 491520-"]),
} | {answer: ([answer], ["/a.bin", "/b.bin"]) for answer in ("404", "403", "html", "corrupt")}
"""The responses of the first mirror, and what is asked of both."""


@pytest.mark.parametrize("trouble", FETCHED)
def test_a_download_is_resumed_and_the_second_mirror_is_used_if_the_first_fails(
    server: Server, tmp_path: Path, trouble: str
) -> None:
    server.plan["/a.bin"], expected = list(FETCHED[trouble][0]), FETCHED[trouble][1]
    get(server, tmp_path / "a.bin", "/a.bin", "/b.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert [path + (wanted or "").replace("bytes=", " ") for path, wanted in server.requests] == expected


def test_the_next_call_resumes_the_partial_file(server: Server, tmp_path: Path) -> None:
    server.plan["/a.bin"] = ["cut 491520", "404"]
    with pytest.raises(DataError, match="404"):
        get(server, tmp_path / "a.bin", "/a.bin")
    assert not (tmp_path / "a.bin").exists()
    assert (tmp_path / "a.bin.part").stat().st_size == 491520
    server.plan["/a.bin"] = ["ok"]
    get(server, tmp_path / "a.bin", "/a.bin")
    assert server.requests[-1] == ("/a.bin", "bytes=491520-")


def test_without_a_checksum_another_mirror_starts_from_zero(server: Server, tmp_path: Path) -> None:
    server.plan["/a.bin"] = ["cut 491520", "404"]
    get(server, tmp_path / "a.bin", "/a.bin", "/b.bin", file=FILE.model_copy(update={"checksum": None}))
    assert server.requests[-1] == ("/b.bin", None)


def test_a_file_that_changed_at_its_source_is_downloaded_from_the_start(server: Server, tmp_path: Path) -> None:
    plain = FILE.model_copy(update={"checksum": None})
    server.plan["/a.bin"] = ["cut 491520", "404"]
    with pytest.raises(DataError):
        get(server, tmp_path / "a.bin", "/a.bin", file=plain)
    server.files["/a.bin"], server.plan["/a.bin"] = CONTENT[::-1], ["ok"]
    get(server, tmp_path / "a.bin", "/a.bin", file=plain)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("partial", [CONTENT, b"x" * 1000, CONTENT + b"more"])
def test_a_partial_file_is_used_if_it_has_the_right_content(server: Server, tmp_path: Path, partial: bytes) -> None:
    (tmp_path / "a.bin.part").write_bytes(partial)
    get(server, tmp_path / "a.bin", "/a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        ("404", "it responds with 404 Not Found"),
        ("503", "it responds with 503"),
        ("html", r"it responds with a web page instead of the file \(a login, a quota, a warning\)"),
        ("corrupt", r"serves a file that differs from the published one \(its checksum is not sha256:"),
        ("stall 0", "it stopped responding"),
    ],
)
def test_the_error_lists_each_mirror_with_its_reason(server: Server, tmp_path: Path, trouble: str, reason: str) -> None:
    server.plan["/a.bin"] = [trouble]
    closed = "http://127.0.0.1:9/a.bin"
    with pytest.raises(DataError, match=rf"be fetched. .*/a.bin: {reason}.*; {closed}: it refuses") as told:
        download_file(FILE, tmp_path / "a.bin", mirrors=[server.url("/a.bin"), closed], retry_policy=QUICK)
    assert "put the file at" in str(told.value)
    assert not (tmp_path / "a.bin").exists()


def test_a_file_of_another_size_is_not_downloaded(server: Server, tmp_path: Path) -> None:
    seen: list[int] = []
    file, mirrors = FILE.model_copy(update={"size": 7}), [server.url("/a.bin")]
    with pytest.raises(DataError, match="1048576 bytes, but the published"):
        download_file(
            file, tmp_path / "a.bin", mirrors=mirrors, progress=lambda *n: seen.append(n[0]), retry_policy=QUICK
        )
    assert seen == []


BROKEN = {
    "416 without a range": (["416"], 0, "responds with 416, although the whole file was requested"),
    "416 for ever": (["cut 300000", "416", "cut 300000", "416", "cut 300000", "416"], 5, "cannot continue"),
    "another byte": (["cut 300000", "shifted"] * 9, 5, "continues the file at another byte than requested"),
    "a wrong file in parts": (["cut 300000", "corrupt"] * 9, 5, "its checksum is not"),
    "a few bytes each time": (["cut 100"], 2, "closed|broken|IncompleteRead"),
    "busy": (["429"], 2, "responds with 429"),
    "redirects to itself": (["redirect /a.bin"], 2, "redirects"),
    "compressed": (["gzip"], 0, "sends the file compressed"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_server_is_asked_a_few_times_with_growing_pauses(server: Server, tmp_path: Path, kind: str) -> None:
    plan, n_pauses, reason = BROKEN[kind]
    server.plan["/a.bin"] = list(plan)
    pauses: list[float] = []
    policy = replace(QUICK, pause=1.0, sleep=pauses.append)
    with pytest.raises(DataError, match=reason):
        download_file(FILE, tmp_path / "a.bin", mirrors=[server.url("/a.bin")], retry_policy=policy)
    assert len(pauses) == n_pauses
    assert all(pause in (1.0, 2.0) for pause in pauses), "every repetition follows a pause"


LIMITLESS = {
    "no length": ("endless", {}, "sends more than 3000000 bytes"),
    "a length": ("states 99999999999", {}, "its file has 99999999999 bytes; at most 3000000 are fetched"),
    "a size is published": ("endless", {"size": len(CONTENT)}, f"sends more than {len(CONTENT)} bytes"),
    "a list": ("endless", {"unpack": None, "to": "a.bin"}, "sends more than 2000000 bytes"),
}


@pytest.mark.parametrize("kind", LIMITLESS)
def test_an_endless_answer_ends_at_a_limit(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("datasets_registry._download.download.LARGEST_DOWNLOAD", 3_000_000)
    monkeypatch.setattr("datasets_registry._download.download.LARGEST_LIST_DOWNLOAD", 2_000_000)
    answer, changes, reason = LIMITLESS[kind]
    server.plan["/a.bin"] = [answer]
    file = FILE.model_copy(update={"checksum": None, "to": None, "unpack": {"a/": "a/"}} | changes)
    written: list[int] = []
    with pytest.raises(DataError, match=reason):
        download_file(
            file, tmp_path / "a.bin", mirrors=[server.url("/a.bin")], retry_policy=QUICK,
            progress=lambda done, _: written.append(done),
        )  # fmt: skip
    assert max(written, default=0) <= 3_000_000
    assert list(tmp_path.iterdir()) == [], "nothing is left"


def test_a_file_put_there_by_hand_needs_no_network(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(CONTENT)
    download_file(FILE, tmp_path / "a.bin", mirrors=["http://127.0.0.1:9/a.bin"], retry_policy=QUICK)


def test_a_full_disk_keeps_the_part_and_a_target_must_be_writable(server: Server, tmp_path: Path) -> None:
    def full(done: int, _total: int | None) -> None:
        if done > 400000:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DataError, match=r"free\) while writing a.bin"):
        download_file(FILE, tmp_path / "a.bin", mirrors=[server.url("/a.bin")], progress=full, retry_policy=QUICK)
    assert not (tmp_path / "a.bin").exists()
    assert (tmp_path / "a.bin.part").stat().st_size > 400000
    get(server, tmp_path / "a.bin", "/a.bin")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="written .* Give a --data-root"):
        download_file(FILE, tmp_path / "file" / "a.bin", mirrors=[server.url("/a.bin")], retry_policy=QUICK)


# --- archives ---------------------------------------------------------------------------------------------------------


def tar_of(members: dict[str, bytes], mode: str = "w:gz") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as tar:  # type: ignore[call-overload]
        for name, content in members.items():
            item = tarfile.TarInfo(name)
            item.size = len(content)
            tar.addfile(item, io.BytesIO(content))
    return out.getvalue()


def zip_of(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def files_below(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("pack", [zip_of, tar_of, lambda members: tar_of(members, "w"), lambda m: tar_of(m, "w:xz")])
def test_only_the_wanted_members_are_unpacked(tmp_path: Path, pack: Callable[[dict[str, bytes]], bytes]) -> None:
    (tmp_path / "a").write_bytes(pack({"./top/images/x/1.jpg": b"1", "top/README": b"r", "top/list.txt": b"l"}))
    unpack_archive(tmp_path / "a", {"top/images/": "images/", "top/list.txt": "lists/l.txt"}, tmp_path / "out")
    assert files_below(tmp_path / "out") == {"images/x/1.jpg": b"1", "lists/l.txt": b"l"}


@pytest.mark.parametrize("name", ["../evil", "top/../../evil", "/evil", "C:/evil", "..\\evil"])
@pytest.mark.parametrize("pack", [zip_of, tar_of])
def test_members_outside_the_target_folder_are_rejected(
    tmp_path: Path, name: str, pack: Callable[[dict[str, bytes]], bytes]
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_bytes(pack({name: b"evil"}))
    with pytest.raises(DataError, match="would be written outside"):
        unpack_archive(tmp_path / "in" / "a", {"": ""}, tmp_path / "in" / "out")
    assert not list(tmp_path.rglob("evil"))


def test_links_in_an_archive_are_rejected(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        item = tarfile.TarInfo("top/link")
        item.type, item.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(item)
    with pytest.raises(DataError, match="link 'top/link' instead"):
        unpack_archive(tmp_path / "a.tar", {"top/": ""}, tmp_path / "out")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        linked = zipfile.ZipInfo("top/link")
        linked.external_attr = 0o120777 << 16
        archive.writestr(linked, "/etc/passwd")
    with pytest.raises(DataError, match="contains the link"):
        unpack_archive(tmp_path / "a.zip", {"top/": ""}, tmp_path / "out")


def test_damaged_and_wrong_archives(tmp_path: Path) -> None:
    (tmp_path / "cut.tgz").write_bytes(tar_of({"top/a": os.urandom(9999)})[:5000])
    (tmp_path / "no.zip").write_bytes(b"PK no")
    (tmp_path / "other.zip").write_bytes(zip_of({"x": b""}))
    for name in ("cut.tgz", "no.zip"):
        with pytest.raises(DataError, match="or not an archive"):
            unpack_archive(tmp_path / name, {"top/": ""}, tmp_path / "out")
    with pytest.raises(DataError, match="does not contain top/"):
        unpack_archive(tmp_path / "other.zip", {"top/": ""}, tmp_path / "out")


def test_a_disk_that_fills_up_while_unpacking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.zip").write_bytes(zip_of({"top/1": b"1", "top/2": b"2"}))

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(DataError, match="after 0 files of a.zip"):
        unpack_archive(tmp_path / "a.zip", {"top/": ""}, tmp_path / "out")


@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a child process")
@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.xz", "gz", "unwanted", "header"])
def test_an_archive_that_unpacks_to_far_more_than_its_size_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("datasets_registry._download.unpack.UNPACKED_MORE", 2**20)
    zeros = bytes(2**24)
    if kind == "header":
        content = gzip.compress(pax_header(2**31) + bytes(2**20))
    elif kind == "gz":
        content = gzip.compress(zeros)
    elif kind == "zip":
        content = zip_of({"top/1": zeros})
    else:
        name = "other/1" if kind == "unwanted" else "top/1"
        content = tar_of({name: zeros, "top/2": b"2"}, "w:xz" if kind == "tar.xz" else "w:gz")
    archive = tmp_path / ("a.gz" if kind == "gz" else "a.bin")
    archive.write_bytes(content)
    wanted = {"a": "a"} if kind == "gz" else {"top/": ""}
    said = limited(lambda: unpack_archive(archive, wanted, tmp_path / "out"))
    assert said.startswith("DataError")
    assert ("a header in it has" if kind == "header" else "than its own size") in said
    assert sum(path.stat().st_size for path in tmp_path.rglob("*")) < 2**24


def pax_header(size: int) -> bytes:
    """A header of a tar archive that states extended attributes of that many bytes."""
    member = tarfile.TarInfo("x")
    member.type, member.size = tarfile.XHDTYPE, size
    return member.tobuf(tarfile.USTAR_FORMAT)


# --- a dataset --------------------------------------------------------------------------------------------------------

SPLIT_NAME = "split_zhou_EuroSAT.json"
SPLIT = json.dumps({"train": [["A/1.jpg", 0, "a"]], "val": [], "test": [["B/1.jpg", 1, "b"]]}).encode()
INFO: DatasetInfo = replace(get_dataset("eurosat"), expected={"train": 1, "val": 0, "test": 1})
OPTIONS = FetchOptions(retry_policy=QUICK)


def source_of(server: Server, archive: bytes, split: bytes = SPLIT, **changes: object) -> DatasetSource:
    """The split file without a checksum, and an archive, whose facts may be changed."""
    server.files |= {"/EuroSAT.zip": archive, "/split.json": split}
    facts = {"checksum": sha256(archive), "size": len(archive), "unpack": {"2750/": "2750/"}}
    packed = {"name": "EuroSAT.zip", "urls": [server.url("/EuroSAT.zip")]} | facts | changes
    listed = {"name": SPLIT_NAME, "urls": [server.url("/split.json")], "to": SPLIT_NAME}
    return DatasetSource.model_validate({"folder": "eurosat", "images": "2750", "files": [packed, listed]})


ARCHIVE = zip_of({"2750/A/1.jpg": b"A1", "2750/B/1.jpg": b"B1"})
WHOLE = {"eurosat/2750/A/1.jpg": b"A1", "eurosat/2750/B/1.jpg": b"B1", f"eurosat/{SPLIT_NAME}": SPLIT}


def test_a_dataset_is_unpacked_into_coops_layout(server: Server, tmp_path: Path) -> None:
    done = fetch_dataset(INFO, source_of(server, ARCHIVE), tmp_path, OPTIONS)
    assert done == fetch_module.Fetched("eurosat", ("EuroSAT.zip", SPLIT_NAME), unchecked=(SPLIT_NAME,))
    assert files_below(tmp_path) == WHOLE
    asked = len(server.requests)
    again = fetch_dataset(INFO, source_of(server, ARCHIVE), tmp_path, OPTIONS)
    assert again == fetch_module.Fetched("eurosat", (), ("EuroSAT.zip", SPLIT_NAME))
    assert len(server.requests) == asked


def test_again_replaces_existing_files(server: Server, tmp_path: Path) -> None:
    (tmp_path / "eurosat" / "2750" / "A").mkdir(parents=True)
    (tmp_path / "eurosat" / "2750" / "A" / "stale.jpg").touch()
    source = source_of(server, ARCHIVE)
    assert fetch_dataset(INFO, source, tmp_path, OPTIONS).kept == ("EuroSAT.zip",)
    fetch_dataset(INFO, source, tmp_path, replace(OPTIONS, again=True))
    assert files_below(tmp_path) == WHOLE


def test_splits_only_and_a_custom_mirror(server: Server, tmp_path: Path) -> None:
    source = source_of(server, ARCHIVE)
    server.files["/mine/split_zhou_EuroSAT.json"] = SPLIT
    options = replace(OPTIONS, splits_only=True, mirror=server.url("/mine/"))
    assert fetch_dataset(INFO, source, tmp_path, options).fetched == ("split_zhou_EuroSAT.json",)
    assert [path for path, _ in server.requests] == ["/mine/split_zhou_EuroSAT.json"]
    assert list(files_below(tmp_path)) == ["eurosat/split_zhou_EuroSAT.json"]


@pytest.mark.parametrize("moment", ["unpack_archive", "_move_into_place", "_check_kind"])
def test_an_interruption_at_any_step_leaves_no_incomplete_dataset(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    source = source_of(server, ARCHIVE)
    with monkeypatch.context() as patch:

        def killed(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(fetch_module, moment, killed)
        with pytest.raises(KeyboardInterrupt):
            fetch_dataset(INFO, source, tmp_path, OPTIONS)
    assert not (tmp_path / "eurosat" / "2750").exists()
    fetch_dataset(INFO, source, tmp_path, OPTIONS)
    assert files_below(tmp_path) == WHOLE
    assert sum(path == "/EuroSAT.zip" for path, _ in server.requests) == 1, "fetched once"


def test_an_interrupted_move_into_place_is_completed(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FGVC Aircraft's archive has lists beside the images, and the images alone look complete."""
    archive = zip_of({"v/data/2750/A/1.jpg": b"A1", "v/data/variants.txt": b"707"})
    source = source_of(server, archive, unpack={"v/data/": ""})
    put = fetch_module._move_into_place
    with monkeypatch.context() as patch:

        def first_only(entry: Path, target: Path, staging: Path) -> None:
            put(entry, target, staging)
            raise KeyboardInterrupt

        patch.setattr(fetch_module, "_move_into_place", first_only)
        with pytest.raises(KeyboardInterrupt):
            fetch_dataset(INFO, source, tmp_path, OPTIONS)
    assert not (tmp_path / "eurosat" / "variants.txt").exists()
    assert next(file.name for file in files_to_fetch("eurosat", source, tmp_path, OPTIONS)[0]) == "EuroSAT.zip"
    fetch_dataset(INFO, source, tmp_path, OPTIONS)
    assert (tmp_path / "eurosat" / "variants.txt").read_bytes() == b"707"


def test_archives_in_an_archive(server: Server, tmp_path: Path) -> None:
    archive = zip_of({"c/in.tar.gz": tar_of({"2750/A/1.jpg": b"A1", "2750/B/1.jpg": b"B1"}), "__MACOSX/x": b""})
    source = source_of(server, archive, unpack={"c/in.tar.gz": "in.tar.gz"}, inner={"in.tar.gz": {"2750/": "2750/"}})
    fetch_dataset(INFO, source, tmp_path, OPTIONS)
    assert files_below(tmp_path) == WHOLE


def test_files_compressed_alone_are_fetched_one_by_one(server: Server, tmp_path: Path) -> None:
    files = []
    for name in ("x.h5", "y.h5"):
        packed = server.files[f"/{name}.gz"] = gzip.compress(name.encode())
        address = server.url(f"/{name}.gz")
        files.append({"name": f"{name}.gz", "urls": [address], "checksum": sha256(packed), "unpack": {name: name}})
    source = DatasetSource.model_validate({"folder": "pcam", "images": "", "files": files})
    info = get_dataset("pcam")
    assert fetch_dataset(info, source, tmp_path, OPTIONS) == fetch_module.Fetched("pcam", ("x.h5.gz", "y.h5.gz"))
    assert files_below(tmp_path) == {"pcam/x.h5": b"x.h5", "pcam/y.h5": b"y.h5"}
    (tmp_path / "pcam/y.h5").unlink()
    assert fetch_dataset(info, source, tmp_path, OPTIONS) == fetch_module.Fetched("pcam", ("y.h5.gz",), ("x.h5.gz",))
    (tmp_path / "no.h5.gz").write_bytes(b"no gzip")
    with pytest.raises(DataError, match="no.h5.gz is damaged"):
        unpack_archive(tmp_path / "no.h5.gz", {"no.h5": "no.h5"}, tmp_path / "out")


@pytest.mark.parametrize(
    ("split", "reason"),
    [
        (b"{}", "is malformed"),
        (SPLIT.replace(b'"test": [', b'"test": [["D/1.jpg", 1, "b"], '), "lists {'train': 1"),
    ],
)
def test_without_a_checksum_the_content_is_checked(server: Server, tmp_path: Path, split: bytes, reason: str) -> None:
    with pytest.raises(DataError, match=f"split_zhou_EuroSAT.json is something else .*{reason}"):
        fetch_dataset(INFO, source_of(server, ARCHIVE, split), tmp_path, OPTIONS)
    assert not (tmp_path / "eurosat" / "split_zhou_EuroSAT.json").exists()
    with pytest.raises(DataError, match=".EuroSAT.zip is not an"):
        fetch_dataset(INFO, source_of(server, b"rubbish", checksum=None), tmp_path / "other", OPTIONS)


def test_the_user_reads_which_files_could_not_be_verified(server: Server, tmp_path: Path) -> None:
    lines: list[str] = []
    source = source_of(server, ARCHIVE, checksum=None)
    done = fetch_dataset(INFO, source, tmp_path, OPTIONS, FetchProgress(line=lines.append))
    assert done.unchecked == ("EuroSAT.zip", SPLIT_NAME)
    said = [line for line in lines if "states no checksum" in line]
    assert [line.partition(":")[0] for line in said] == ["EuroSAT.zip", SPLIT_NAME]
    assert sha256(ARCHIVE) in said[0]
    assert sha256(SPLIT) in said[1]


def test_what_a_refused_archive_unpacked_is_deleted(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datasets_registry._download.unpack.UNPACKED_MORE", 2**20)
    with pytest.raises(DataError, match="than its own size"):
        fetch_dataset(INFO, source_of(server, zip_of({"2750/A/1.jpg": bytes(2**23)})), tmp_path, OPTIONS)
    assert not list(tmp_path.rglob("*.jpg"))


def test_too_little_disk_space_is_an_error_before_the_download(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(fetch_module.shutil, "disk_usage", lambda _: usage._replace(free=len(ARCHIVE) * 2))
    with pytest.raises(DataError, match="contents need .* GB free"):
        fetch_dataset(INFO, source_of(server, ARCHIVE), tmp_path, OPTIONS)
    assert server.requests == []


def test_a_data_root_must_be_writable_and_no_other_process_fetch_into_it(server: Server, tmp_path: Path) -> None:
    (tmp_path / "root").write_text("a file")
    with pytest.raises(DataError, match="written .* Give another --data-root"):
        fetch_dataset(INFO, source_of(server, ARCHIVE), tmp_path / "root", OPTIONS)
    staging = tmp_path / fetch_module.STAGING / "eurosat"
    staging.mkdir(parents=True)
    with FileLock(staging / "lock"), pytest.raises(DataError, match="process is fetching 'eurosat'"):
        fetch_dataset(INFO, source_of(server, ARCHIVE), tmp_path, OPTIONS)


def test_a_dataset_folder_on_another_disk(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.replace

    def across(self: Path, target: Path) -> Path:
        if "fetch" in self.parts and "fetch" not in Path(target).parts:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", across)
    fetch_dataset(INFO, source_of(server, ARCHIVE), tmp_path, OPTIONS)
    assert files_below(tmp_path) == WHOLE


# --- the table of sources ---------------------------------------------------------------------------------------------


def test_every_published_dataset_has_a_source_and_a_hint_that_fit_it(
    tmp_path: Path,
) -> None:
    for name, source in dataset_sources().items():
        info = get_dataset(name)
        assert source.files or source.by_hand, name
        assert any(file.unpack for file in source.files) or source.by_hand, name
        if info.split_file is not None:
            assert [file.to for file in source.files if file.to == info.split_file] == [info.split_file]
            assert (info.reader.folder, info.reader.image_folder) == (source.folder, source.images)  # type: ignore[attr-defined]
        for file in source.files:
            assert (file.to is None) != (file.unpack is None), file.name
            assert all(url.startswith(("https://", "http://")) for url in file.addresses())
    for source in dataset_sources().values():
        options = FetchOptions(unverified_mirrors=bool(source.fetch_options))
        left = fetch_module.left_by_hand(source, tmp_path, options)
        assert (left is None) == (source.mirror is not None or source.by_hand is None)


def test_a_dataset_without_a_source_has_instructions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        fetch_module, "download_file", lambda file, target, **_: target.write_bytes(b"n01440764 tench\n")
    )
    imagenet = get_dataset("imagenet"), dataset_sources()["imagenet"], tmp_path
    done = fetch_dataset(*imagenet, OPTIONS)
    assert done.fetched == ("classnames.txt",)
    assert "log in at https://image-net.org" in str(done.by_hand)
    assert f"{tmp_path}/imagenet/images/train/<wnid>/" in str(done.by_hand)
    (tmp_path / "imagenet/images/train").mkdir(parents=True)
    assert fetch_dataset(*imagenet, OPTIONS).by_hand is None, "the images are there"
    assert fetch_dataset(*imagenet, replace(OPTIONS, again=True)).by_hand == done.by_hand
    for name in ("stanford_cars", "sun397"):
        assert "images is gone" in str(dataset_sources()[name].by_hand)


def test_a_file_of_google_drive_has_two_addresses_and_a_page() -> None:
    file = SourceFile(name="x", urls=("drive:ID",), to="x")
    assert file.addresses() == [
        "https://drive.usercontent.google.com/download?id=ID&export=download&confirm=t",
        "https://drive.google.com/uc?export=download&id=ID",
    ]
    assert file.page() == "https://drive.google.com/file/d/ID"


# --- a copy of the images on someone else's server --------------------------------------------------------------------

HUB_ARCHIVE = zip_of(
    {
        "eurosat/export/A/1.jpg": b"A1",
        "eurosat/export/B/1.jpg": b"B1",
        "eurosat/export/C/1.jpg": b"unlisted",
        f"eurosat/{SPLIT_NAME}": SPLIT,
        "__MACOSX/._1.jpg": b"",
    }
)
UNVERIFIED = replace(OPTIONS, unverified_mirrors=True)


def hub_source(server: Server, archive: bytes, **changes: object) -> DatasetSource:
    """The split file, and an archive of the images on a mirror, whose facts may be changed."""
    server.files |= {"/hub/eurosat.zip": archive, "/split.json": SPLIT}
    mirror = {"name": "eurosat.zip", "urls": [server.url("/hub/eurosat.zip")], "unpack": {"": ""}} | changes
    split = {"name": SPLIT_NAME, "urls": [server.url("/split.json")], "to": SPLIT_NAME, "checksum": sha256(SPLIT)}
    facts = {"folder": "eurosat", "images": "2750", "by_hand": "Dig {folder}."}
    return DatasetSource.model_validate(facts | {"files": [split], "mirror": mirror})


def test_an_unverified_mirror_is_used_on_request_only(server: Server, tmp_path: Path) -> None:
    source = hub_source(server, HUB_ARCHIVE)
    done = fetch_dataset(INFO, source, tmp_path, OPTIONS)
    assert (done.fetched, done.by_hand) == (
        (SPLIT_NAME,),
        f"Dig {tmp_path}/eurosat. Or repeat the command with --unverified-mirrors: then eurosat.zip is fetched from "
        f"{server.url('/hub/eurosat.zip')}, a copy that no checksum covers. It is accepted only if it has every image "
        "of the published split file.",
    )
    assert [path for path, _ in server.requests] == ["/split.json"]
    assert origin_of_images(source, tmp_path) is None
    done = fetch_dataset(INFO, source, tmp_path, UNVERIFIED)
    assert done == fetch_module.Fetched("eurosat", ("eurosat.zip",), (SPLIT_NAME,), unchecked=("eurosat.zip",))
    origin = {"origin": "unverified mirror", "url": server.url("/hub/eurosat.zip"), "sha256": sha256(HUB_ARCHIVE)[7:]}
    assert origin_of_images(source, tmp_path) == origin
    (tmp_path / "eurosat/origin-of-images.json").unlink()
    assert files_below(tmp_path) == WHOLE, "listed images only"


def test_a_mirror_with_a_checksum_needs_no_request(server: Server, tmp_path: Path) -> None:
    source = hub_source(server, HUB_ARCHIVE, checksum=sha256(HUB_ARCHIVE))
    done = fetch_dataset(INFO, source, tmp_path, OPTIONS)
    assert (done.fetched, done.by_hand, done.unchecked) == ((SPLIT_NAME, "eurosat.zip"), None, ())
    origin = origin_of_images(source, tmp_path)
    assert origin is not None
    assert origin["origin"] == "mirror"
    (tmp_path / "eurosat/origin-of-images.json").write_text("{}")
    with pytest.raises(DataError, match="origin-of-images.json cannot be read"):
        origin_of_images(source, tmp_path)


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"x/A/1.jpg": b"A1"}, "does not have exactly one file for each of the 2 images that split_zhou_EuroSAT.json"),
        ({"A/2.jpg": b"A1"}, "eurosat.zip lacks 2 of the 2 images that .* lists, for example A/1.jpg, B/1.jpg"),
        (
            {"A/1.jpg": b"A1", SPLIT_NAME: SPLIT.replace(b"A/1", b"C/1")},
            "contains another split_zhou_EuroSAT.json than",
        ),
        ({"../A/1.jpg": b"A1"}, "contains the member '../A/1.jpg', which would be written outside"),
    ],
)
def test_a_mirror_that_does_not_fit_the_split_file_is_refused(
    server: Server, tmp_path: Path, members: dict[str, bytes], reason: str
) -> None:
    source = hub_source(server, zip_of(members))
    with pytest.raises(DataError, match=rf"{reason}.* there by hand: Dig {tmp_path}/eurosat\."):
        fetch_dataset(INFO, source, tmp_path, UNVERIFIED)
    assert not (tmp_path / "eurosat/2750").exists()
    server.files["/hub/eurosat.zip"] = HUB_ARCHIVE
    (tmp_path / ".etl-bench/fetch/eurosat/eurosat.zip").unlink(missing_ok=True)
    assert fetch_dataset(INFO, source, tmp_path, UNVERIFIED).fetched == ("eurosat.zip",)


def test_a_mirror_is_not_compared_with_a_split_file_that_is_not_the_published_one(
    server: Server, tmp_path: Path
) -> None:
    source = hub_source(server, HUB_ARCHIVE)
    (tmp_path / "eurosat").mkdir()
    split = tmp_path / "eurosat" / SPLIT_NAME
    split.write_bytes(SPLIT + b"\n")
    with pytest.raises(DataError, match="published split file.*--splits-only"):
        fetch_dataset(INFO, source, tmp_path, UNVERIFIED)
    split.write_bytes(SPLIT.replace(b'"test": [', b'"test": [["D/1.jpg", 1, "b"], '))
    with pytest.raises(DataError, match="lists {'train': 1, 'val': 0, 'test': 2}"):
        fetch_dataset(INFO, source, tmp_path, UNVERIFIED)
    assert server.requests == []


def test_every_mirror_belongs_to_a_split_file_and_images_that_are_got_by_hand() -> None:
    sources = {name: source for name, source in dataset_sources().items() if source.mirror}
    assert {"stanford_cars", "sun397", "btmri"} <= set(sources)
    for name, source in sources.items():
        assert source.by_hand
        assert get_dataset(name).split_file in {file.to for file in source.files}
        assert source.mirror is not None
        assert source.mirror.unpack == {"": ""}
        assert "/resolve/" in source.mirror.urls[0]
    assert [way_to_get(get_dataset(name)) for name in ("sun397", "stanford_cars")] == ["fetch", "by hand"]
