"""Starts programs of others, one after the other, and ends them with all that they have started: `python -I guard.py`.

It reads one line of JSON from its standard input: `programs`, a list of objects, and `seconds`, the most for all of
them together, or null. A program has `command`, `cwd`, `env`, `log` (a file to append its output to, or null to drop
it), `seconds` and `processes` (null for no limit), and `file_size` (bytes of a file that it writes, or null). It writes
one line of JSON: the exit code of each program, negative for a signal, null for one that was not started in time, and a
text for one that could not be started.

When its input ends, because the harness has closed it or was killed, all programs end. On Linux, processes that have
left the program's group are found, too. This file imports the standard library alone.
"""

import collections
import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time

LOG_START, LOG_END = 4 * 2**20, 4 * 2**20
"""Bytes of a program's output that are kept, of its beginning and of its end."""
LINUX = sys.platform == "linux"
SET_PARENT_DEATH_SIGNAL, SET_SUBREAPER = 1, 36
"""Of `prctl`, from Linux's uapi/linux/prctl.h."""


def prctl(option, value):
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def prepared(file_size):
    """What a program does before it begins: it dies with this process, heeds signals, and its files have a limit."""
    if file_size:
        import resource

    def prepare():
        for number in (signal.SIGINT, signal.SIGTERM):  # this process ignores them, as workers do
            signal.signal(number, signal.SIG_DFL)
        if LINUX:
            prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        if file_size:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))

    return prepare if os.name == "posix" else None


def copy_output(stream, path):
    """Append a stream to a file: its beginning as it comes, and its end when the stream ends."""
    end, room, kept, dropped = collections.deque(), LOG_START, 0, 0
    try:
        with open(path, "ab") as file:
            while part := stream.read1(65536):
                file.write(part[:room])
                file.flush()
                part, room = part[room:], max(room - len(part), 0)
                end.append(part)
                kept += len(part)
                while kept > LOG_END:
                    dropped += len(end[0])
                    kept -= len(end.popleft())
            if dropped:
                file.write(b"\n[%d bytes of output were left out here]\n" % dropped)
            file.write(b"".join(end))
    except OSError:  # the disk is full; the program must not wait for its reader
        while stream.read1(65536):
            pass


def processes():
    """Process id, parent and session of all processes, on Linux."""
    for name in filter(str.isdigit, os.listdir("/proc")) if LINUX else ():
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
            words = file.read().rpartition(b")")[2].split()
            yield int(name), int(words[1]), int(words[3])


def end_all(process):
    """End a program, its group, and on Linux all that descends from it."""
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()  # now its children are this one's
    while found := [number for number, parent, _ in processes() if parent == os.getpid()]:
        for number in found:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(number, signal.SIGKILL)
                os.waitpid(number, 0)


class Guard:
    """The program that runs now, if any."""

    def __init__(self):
        self.process = None
        self.ending = threading.Lock()

    def end_with_input(self):
        sys.stdin.buffer.read()
        with self.ending:
            if self.process is not None:
                end_all(self.process)
            os._exit(1)

    def run(self, program, seconds):
        """The exit code of a program after at most that many seconds; a text if it cannot be started."""
        log = program["log"]
        try:
            with self.ending:
                self.process = process = subprocess.Popen(
                    program["command"],
                    cwd=program["cwd"],
                    env=program["env"],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL if log is None else subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    preexec_fn=prepared(program["file_size"]),
                )
        except OSError as error:
            return error.strerror
        copier = threading.Thread(target=copy_output, args=(process.stdout, log), daemon=True) if log else None
        if copier:
            copier.start()
        self.wait(process, seconds, program["processes"])
        with self.ending:
            end_all(process)
            code = process.wait()
            self.process = None
        if copier:
            copier.join(10)  # a process that nothing could end may hold the other side
        return code

    def wait(self, process, seconds, most):
        """Wait until a program has ended, its time is over, or it has more processes than it may have."""
        end = None if seconds is None else time.monotonic() + seconds
        while True:
            left = None if end is None else end - time.monotonic()
            try:
                process.wait(left if most is None else min(0.1, left or 0.1))
                return
            except subprocess.TimeoutExpired:
                if end is not None and time.monotonic() >= end:
                    return
                if most is not None and sum(session == process.pid for _, _, session in processes()) > most:
                    return


def main():
    job = json.loads(sys.stdin.buffer.readline())
    if LINUX:
        prctl(SET_SUBREAPER, 1)
    guard = Guard()
    for number in (signal.SIGINT, signal.SIGTERM):  # for the whole group; the harness decides, and closes the input
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=guard.end_with_input, daemon=True).start()
    end = None if job["seconds"] is None else time.monotonic() + job["seconds"]
    codes = []
    for program in job["programs"]:
        most = [one for one in (program["seconds"], end and end - time.monotonic()) if one is not None]
        codes.append(None if most and min(most) <= 0 else guard.run(program, min(most, default=None)))
    sys.stdout.write(json.dumps(codes))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
