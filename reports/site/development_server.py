"""Serves a folder on localhost and rebuilds it when something changes."""

import io
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO

from bench.errors import UsageError

LOOPBACK = "127.0.0.1"
PAUSE = 2.0
"""Seconds between two checks for changes."""
_STOP_PAUSE = 0.1
"""Seconds between two checks whether to stop."""


class _Handler(SimpleHTTPRequestHandler):
    """Serves files with entity tags, so that a page can check cheaply whether it has changed."""

    def send_head(self) -> io.BytesIO | BinaryIO | None:
        return super().send_head() if self._is_wanted() else None

    def end_headers(self) -> None:
        tag = self._tag()
        if tag is not None:
            self.send_header("ETag", tag)
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def list_directory(self, path: object) -> None:  # noqa: ARG002
        """Serves files only, no directory listings."""
        self.send_error(HTTPStatus.NOT_FOUND)

    def log_message(self, format: str, *args: object) -> None:
        """Logs nothing: a page that checks for changes would flood the terminal."""

    def _is_wanted(self) -> bool:
        """Whether to send the file; if not, another response has been sent."""
        host = (self.headers.get("Host") or "").rpartition(":")[0]
        if host not in (LOOPBACK, "localhost"):  # DNS rebinding
            self.send_error(HTTPStatus.FORBIDDEN)
            return False
        tag = self._tag()
        if tag is not None and self.headers.get("If-None-Match") == tag:
            self.send_response(HTTPStatus.NOT_MODIFIED)
            self.end_headers()
            return False
        return True

    def _tag(self) -> str | None:
        if not hasattr(self, "path"):  # the request could not be parsed
            return None
        path = Path(self.translate_path(self.path))
        file = path / "index.html" if path.is_dir() else path
        try:
            stat = file.stat()
        except OSError:
            return None
        return f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"'


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignores clients that close the connection early."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


def check_port(port: int) -> None:
    """Raise UsageError if no page can be served at that port."""
    _bound(port, _Handler).server_close()


def _bound(port: int, handler: Callable[..., _Handler]) -> _Server:
    try:
        return _Server((LOOPBACK, port), handler)
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"Port {port} is not available ({error}); choose another with --port, or 0 for any free port."
        ) from error


@contextmanager
def serve_folder(folder: Path, port: int) -> Iterator[str]:
    """Serve a folder from a thread until the context ends; yields the address. Port 0 means any free port.

    Raises:
        UsageError: the port is not available.
    """
    server = _bound(port, partial(_Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def rebuild_on_change(
    state: Callable[[], object], rebuild: Callable[[], None], stopped: Callable[[], bool], *, pause: float = PAUSE
) -> None:
    """Call `rebuild` whenever the value of `state` changes, until `stopped` returns True.

    Polls `stopped`, because a KeyboardInterrupt during clean-up would be lost.
    """
    known = state()
    while not _waited(pause, stopped):
        now = state()
        if now != known:
            known = now
            rebuild()


def _waited(seconds: float, stopped: Callable[[], bool]) -> bool:
    """Wait, at most until `stopped` is true; returns `stopped`."""
    until = time.monotonic() + seconds
    while not stopped() and (left := until - time.monotonic()) > 0:
        time.sleep(min(left, _STOP_PAUSE))
    return stopped()
