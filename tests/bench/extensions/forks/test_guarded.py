"""Programs of others end with the harness, whatever they start, and their output has a limit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from patience import wait_until
from places import ROOT

from bench.extensions.forks.foreign.guard import LOG_END, LOG_START
from bench.extensions.forks.guarded import Program, run_guarded

ENV = {"PATH": os.environ.get("PATH", "")}
LINUX = sys.platform == "linux"


def program(code: str, folder: Path, **limits: object) -> Program:
    return Program([sys.executable, "-c", code], str(folder), ENV, **limits)


def running(folder: Path) -> list[int]:
    """Processes whose command line names a folder."""
    found = psutil.process_iter(["cmdline"])
    return [one.pid for one in found if str(folder) in " ".join(one.info["cmdline"] or ()) and one.pid != os.getpid()]


def test_programs_run_one_after_the_other_and_give_their_exit_codes(tmp_path: Path) -> None:
    log = tmp_path / "log"
    codes = run_guarded(
        [
            program("print('one')", tmp_path, log=str(log)),
            program("import sys; print('two', file=sys.stderr); sys.exit(5)", tmp_path, log=str(log)),
            program("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", tmp_path),
            Program([str(tmp_path / "nothing")], str(tmp_path), ENV),
        ]
    )
    assert codes == [0, 5, -signal.SIGTERM, "No such file or directory"]
    assert log.read_text() == "one\ntwo\n"


def test_a_program_has_no_input_and_only_its_environment(tmp_path: Path) -> None:
    code = "import os, sys; sys.exit(len(sys.stdin.read()) + len(set(os.environ) - {'PATH', 'LC_CTYPE'}))"
    assert run_guarded([program(code, tmp_path)]) == [0]


def test_a_long_output_keeps_its_beginning_and_its_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = "import sys\nprint('first')\nfor _ in range(400): sys.stdout.write('x' * 99_999 + '\\n')\nprint('last')"
    assert run_guarded([program(code, tmp_path, log=str(log))]) == [0]
    text = log.read_text()
    assert LOG_START < len(text) < LOG_START + LOG_END + 1000
    assert text.startswith("first\n")
    assert text.endswith("last\n")
    assert "output were left out" in text


def test_a_program_ends_with_its_time_and_those_after_it_get_their_turn(tmp_path: Path) -> None:
    codes = run_guarded([program("while True: pass", tmp_path, seconds=0.5), program("", tmp_path)])
    assert codes == [-signal.SIGKILL, 0]


def test_time_for_all_programs_together(tmp_path: Path) -> None:
    codes = run_guarded([program("while True: pass", tmp_path), program("", tmp_path)], seconds=0.5)
    assert codes == [-signal.SIGKILL, None]


LEAVES = """
import os, subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", {place!r}], start_new_session={own})
"""


@pytest.mark.parametrize("own", [False, pytest.param(True, marks=pytest.mark.skipif(not LINUX, reason="needs /proc"))])
def test_processes_that_a_program_leaves_are_ended(own: bool, tmp_path: Path) -> None:
    assert run_guarded([program(LEAVES.format(place=str(tmp_path / "left"), own=own), tmp_path)]) == [0]
    assert running(tmp_path / "left") == []


@pytest.mark.skipif(not LINUX, reason="needs /proc")
def test_a_program_with_too_many_processes_is_ended(tmp_path: Path) -> None:
    code = f"""
import subprocess, sys, time
for _ in range(30): subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)", {str(tmp_path)!r}])
time.sleep(600)
"""
    assert run_guarded([program(code, tmp_path, processes=20)]) == [-signal.SIGKILL]
    assert running(tmp_path) == []


def test_a_file_above_the_limit_is_not_written(tmp_path: Path) -> None:
    code = "open('large', 'wb').write(b'x' * 10_000_000)"
    assert run_guarded([program(code, tmp_path, file_size=2**20)]) != [0]
    assert (tmp_path / "large").stat().st_size <= 2**20


HARNESS = """
import sys
from bench.extensions.forks.guarded import Program, run_guarded
code = f'''
import os, subprocess, sys, time
for own in (False, True):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", {sys.argv[1]!r}], start_new_session=own)
time.sleep(600)
'''
run_guarded([Program([sys.executable, "-c", code, sys.argv[1]], ".", {})])
"""


@pytest.mark.parametrize(("number", "whole_group"), [(signal.SIGTERM, True), (signal.SIGKILL, False)])
@pytest.mark.skipif(not LINUX, reason="needs /proc")
def test_all_processes_end_with_the_harness(number: signal.Signals, whole_group: bool, tmp_path: Path) -> None:
    place = str(tmp_path / "here")
    command, environment = [sys.executable, "-c", HARNESS, place], os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, cwd=tmp_path, start_new_session=True) as harness:
        wait_until(lambda: len(running(tmp_path / "here")) >= 4, "the program and its processes run")
        os.killpg(harness.pid, number) if whole_group else harness.send_signal(number)
        harness.wait()
        wait_until(lambda: not running(tmp_path / "here"), "they end with the harness")
