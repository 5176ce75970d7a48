"""Runs a script in a process with a pretended GPU, which has to be installed before torch is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from places import ROOT

INSTALL = (
    "import runpy, sys; from pretended_device.installation import install; install(); "
    "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
)


def run_script(script: Path, *options: str, pretended: bool = True) -> subprocess.CompletedProcess[str]:
    """The finished process of a script of this repository, with one thread."""
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "tests" / "perf", ROOT / "tests" / "gpu", script.parent)))
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *(["-c", INSTALL] if pretended else []), str(script), *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True)
