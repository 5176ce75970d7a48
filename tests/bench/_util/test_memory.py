import os
import resource
import subprocess
import sys

import pytest

LOOP = """
import resource, sys
from bench._util.memory import keep_freed_memory
kept = sys.argv[1] == "keep" and keep_freed_memory()
def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def step():
    for _ in range(4): bytearray(b"x") * 40_000_000
step()
before = faults()
for _ in range(10): step()
print(kept, faults() - before)
"""


def repeat_allocations(what: str, **variables: str) -> tuple[bool, int]:
    """Whether freed memory is kept, and the page faults of forty allocations of 40 MB in a process of its own."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "GLIBC_"))}
    environment |= {"PYTHONPATH": os.pathsep.join(sys.path)} | variables
    command = [sys.executable, "-c", LOOP, what]
    kept, faults = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()
    return kept == "True", int(faults)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc only")
def test_memory_that_was_freed_is_used_again_without_new_pages():
    kept, faults = repeat_allocations("keep")
    if not kept:
        pytest.skip("this system's C library has no mallopt")
    _, before = repeat_allocations("plain")
    assert before > 40 * 40_000_000 // resource.getpagesize() / 2
    assert faults < before / 100


@pytest.mark.skipif(sys.platform != "linux", reason="glibc only")
def test_thresholds_of_the_environment_stay():
    kept, faults = repeat_allocations("keep", MALLOC_TRIM_THRESHOLD_="131072", MALLOC_MMAP_THRESHOLD_="131072")
    assert not kept
    assert faults > 1000
