"""How threads wait: asleep, unless the user says otherwise or torch was imported first."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from places import ROOT

PRINT = "import bench, os; print(bench.THREADS_SPIN, os.environ['OMP_WAIT_POLICY'])"
CASES = {  # code, the user's policy, what is printed
    "bench first": (PRINT, None, "False PASSIVE"),
    "chosen by the user": (PRINT, "ACTIVE", "False ACTIVE"),
    "torch first": (f"import torch; {PRINT}", None, "True PASSIVE"),
    "torch first, chosen by the user": (f"import torch; {PRINT}", "ACTIVE", "False ACTIVE"),
}


@pytest.mark.parametrize("case", CASES)
def test_threads_sleep_while_they_wait_unless_the_user_says_otherwise(case: str) -> None:
    code, policy, expected = CASES[case]
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    environment |= {"OMP_WAIT_POLICY": policy} if policy else {}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == expected
