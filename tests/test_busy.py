"""The busy processes beside `make test-portable` end with their command, also when it fails."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress

import busy
import psutil
import pytest
from places import ROOT


def test_busy_processes_run_inside_the_block_and_end_with_it() -> None:
    with suppress(ValueError), busy.busy_cores(2) as processes:
        assert len(processes) == 2
        assert all(psutil.pid_exists(process) for process in processes)
        raise ValueError  # as a failing command
    assert not any(psutil.pid_exists(process) for process in processes)


@pytest.mark.parametrize("code", [0, 3])
def test_the_exit_code_is_that_of_the_command(code: int) -> None:
    script = str(ROOT / "tests" / "support" / "busy.py")
    command = [sys.executable, script, sys.executable, "-c", f"raise SystemExit({code})"]
    assert subprocess.run(command, check=False).returncode == code
