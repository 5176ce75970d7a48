"""A process that imports the modules of every run and then forks workers, so that they share one import.

It computes nothing, since the threads of a computation do not survive a fork. OpenBLAS starts threads when it is
imported, but ends them before a fork and restarts them on demand.

The sweep sends one packet per request: `fork N` with the standard streams of worker N, `kill N`, and `wait N`, which
returns the exit code. When the connection ends, the server exits.
"""

import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from bench.sweep.launch import process_worker

CAN_FORK = sys.platform == "linux"
"""Whether workers are forked. macOS has system libraries that do not work after a fork, and Windows has no fork."""
NO_PROCESS = 71
"""Exit code of a worker that the system could not start; the EX_OSERR of sysexits."""
_PACKET = 64
_BOOT = (
    "import signal; [signal.signal(n, signal.SIG_IGN) for n in (signal.SIGINT, signal.SIGTERM)]; "
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from bench.sweep.launch.fork_server import main; main()"
)


def search_path() -> list[str]:
    """This process's search path. A worker must import the same packages, installed or not."""
    return [str(Path(folder).resolve()) for folder in sys.path]


@dataclass
class ForkedProcess:
    """A worker that the server forks, with the methods of `subprocess.Popen` that are needed here."""

    server: "ForkServer"
    number: int
    stdin: IO[str]
    stdout: IO[str]
    _code: int | None = field(default=None, init=False)

    def kill(self) -> None:
        """Kill the worker. If the server is dead, so is the worker."""
        if self._code is None:
            self.server.request(f"kill {self.number}")

    def wait(self) -> int:
        """Wait for the worker's exit code, negative for a signal; the server's own exit code if it died."""
        if self._code is None:
            self._code = self.server.exit_code(self.number)
        return self._code


class ForkServer:
    """The sweep's side: starts the server in an environment. The server first imports `modules`.

    The sweep does not wait for the imports. Requests are carried out afterwards, in order.
    """

    def __init__(self, environment: Mapping[str, str], modules: Sequence[str]) -> None:
        self.made_for = dict(environment), tuple(modules)
        self._output = TemporaryFile()  # noqa: SIM115
        self._connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        arguments = [json.dumps(search_path()), str(theirs.fileno()), json.dumps(modules)]
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _BOOT, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=self._output,
                env=environment,
                pass_fds=[theirs.fileno()],
            )

    @property
    def alive(self) -> bool:
        """Whether the server can fork."""
        return self._process.poll() is None

    @property
    def output(self) -> str:
        """The server's output, such as the stack of an import that crashed."""
        self._output.seek(0)
        return self._output.read().decode(errors="replace")

    def fork(self, number: int, log: IO[str]) -> ForkedProcess:
        """Start worker `number`, whose standard error goes to `log`."""
        (their_input, our_input), (our_output, their_output) = os.pipe(), os.pipe()
        self.request(f"fork {number}", their_input, their_output, log.fileno())
        os.close(their_input)
        os.close(their_output)
        stdin, stdout = os.fdopen(our_input, "w", encoding="utf-8"), os.fdopen(our_output, encoding="utf-8")
        return ForkedProcess(self, number, stdin, stdout)

    def request(self, text: str, *files: int) -> None:
        """Send a request. A dead server is detected by the end of the worker's output, not here."""
        with suppress(OSError):
            socket.send_fds(self._connection, [text.encode()], files)

    def exit_code(self, number: int) -> int:
        """Wait for the exit code of a worker, or of the server if it died."""
        self.request(f"wait {number}")
        try:
            answer = self._connection.recv(_PACKET)
        except OSError:
            answer = b""
        return int(answer) if answer else self._process.wait()

    def kill(self) -> None:
        """Kill the server and with it all workers."""
        self._process.kill()

    def close(self) -> None:
        """End the server."""
        self._connection.close()
        self.kill()
        self._process.wait()
        self._output.close()


def main() -> None:
    """Import, serve the connection, and become a worker in each child."""
    process_worker.die_with_parent(os.getppid())
    connection = socket.socket(fileno=int(sys.argv[2]))
    gc.disable()  # imports create hundreds of thousands of objects, none of which is garbage
    for module in json.loads(sys.argv[3]):
        # a worker imports it again and reports the error
        with suppress(Exception):
            importlib.import_module(module)
    gc.freeze()  # so that no worker's garbage collection touches, and so copies, shared objects
    gc.enable()
    server = os.getpid()
    if _serve(connection):
        process_worker.main(parent=server)


def _serve(connection: socket.socket) -> bool:
    """Carry out requests. True in each new worker, and False in the server at the end of the connection."""
    workers: dict[str, int | None] = {}
    while True:
        request, files, _, _ = socket.recv_fds(connection, _PACKET, 3)
        if not request:
            return False
        action, number = request.decode().split()
        if action == "fork":
            try:
                workers[number] = pid = os.fork()
            except OSError as error:
                workers[number] = pid = None
                os.write(files[2], f"No process can be started: {error.strerror}.\n".encode())
            if pid == 0:
                connection.close()
                for standard, file in enumerate(files):
                    os.dup2(file, standard)
            for file in files:
                os.close(file)
            if pid == 0:
                return True
        elif (pid := workers[number]) is None:
            if action == "wait":
                connection.send(str(NO_PROCESS).encode())
        elif action == "kill":
            os.kill(pid, signal.SIGKILL)  # it exists until `wait`
        else:
            _, status = os.waitpid(pid, 0)
            connection.send(str(os.waitstatus_to_exitcode(status)).encode())
