"""Commands of `etl-bench` for shell scripts of many: one process imports the harness once and forks for each of them.

`preloaded_commands.py serve SOCKET` listens, and `preloaded_commands.py call SOCKET ARGUMENT...` does what `etl-bench
ARGUMENT...` does, in the folder, environment and standard streams of its caller. It needs `os.fork`.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PRELOADED = (
    "bench.cli.app",
    "bench.experiment.runner",
    "reports.site",
    "bench.results",
    "open_clip",
    "pandas",
    "torch",
)
"""The catalogues of methods and datasets are not among them: a script may add to them."""


@contextmanager
def preloaded_commands(environment: dict[str, str]) -> Iterator[str]:
    """Starts the process; gives the shell command that replaces `etl-bench`."""
    with tempfile.TemporaryDirectory() as folder:  # the path of a socket must be short
        address = Path(folder) / "s"
        process = subprocess.Popen([sys.executable, "-P", __file__, "serve", str(address)], env=environment)
        try:
            while not address.exists():
                assert process.poll() is None, "the process of the commands ended"
                time.sleep(0.05)
            yield f"{sys.executable} -IS {__file__} call {address}"
        finally:
            process.terminate()
            process.wait()


def serve(address: str) -> None:
    """Import, listen, and fork for each caller."""
    signal.signal(signal.SIGCHLD, reap)
    for module in PRELOADED:
        importlib.import_module(module)
    server = socket.socket(socket.AF_UNIX)
    server.bind(address + ".new")
    server.listen()
    os.rename(address + ".new", address)  # noqa: PTH104
    while True:
        connection, _ = server.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            server.close()
            run(connection)
        connection.close()


def reap(*_: object) -> None:
    """Take leave of every child that has ended."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def run(connection: socket.socket) -> None:
    """In a child: become the caller, carry out its command, report its exit code and end."""
    code = 1
    try:
        message, streams, _, _ = socket.recv_fds(connection, 1 << 20, 3)
        while not message.endswith(b"\n"):
            message += connection.recv(1 << 20)
        asked = json.loads(message)
        for target, stream in enumerate(streams):
            os.dup2(stream, target)
            os.close(stream)
        # the server's own streams remember whether its files could seek, which a pipe cannot
        sys.stdout, sys.stderr = (open(target, "w", encoding="utf-8", closefd=False) for target in (1, 2))  # noqa: SIM115
        os.chdir(asked["folder"])
        os.environ.clear()
        os.environ.update(asked["environment"])
        sys.argv = ["etl-bench", *asked["arguments"]]
        importlib.import_module("bench.cli.app").main()
    except SystemExit as ended:
        code = int(ended.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        connection.sendall(str(code).encode())
        os._exit(code)


def call(address: str, arguments: list[str]) -> int:
    """Hand a command over and wait for its exit code; 70 where its process was killed."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(address)
    asked = {"arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ)}  # noqa: PTH109
    socket.send_fds(connection, [json.dumps(asked).encode() + b"\n"], [0, 1, 2])
    return int(connection.recv(16) or 70)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    sys.exit(call(sys.argv[2], sys.argv[3:]))
