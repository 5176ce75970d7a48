"""The harness: plans, runs, stores, ranks and reports few-shot experiments. Importing it loads no torch.

`__init__.pyi` lists the public names. Each is loaded on first use.

Example:
    >>> import bench
    >>> bench.SweepRequest.build(methods="coop", datasets="spectrum_words", shots=4).shots
    [4]
"""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import lazy_loader

__version__ = "0.1.0"

_WAIT_POLICY = "OMP_WAIT_POLICY"
THREADS_SPIN = "torch" in sys.modules and _WAIT_POLICY not in os.environ
"""Whether torch was loaded first, whose threads then use a core while they wait for others."""
os.environ.setdefault(_WAIT_POLICY, "PASSIVE")  # threads sleep while they wait: runs on a busy machine are faster
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")  # so do those of NumPy, after 2^4 cycles and not 2^26

SIBLINGS = ("methods", "datasets_registry", "reports")


def check_siblings(parent: Path, names: tuple[str, ...] = SIBLINGS) -> None:
    """Raise ImportError unless each of these packages is imported from `parent`, the folder that holds this package.

    `bench`, `methods` and `reports` are generic names: another distribution's package of the same name, earlier on the
    path, would be imported without notice. Looking up a top-level package does not execute it.
    """
    for name in names:
        spec = find_spec(name)
        places = list(spec.submodule_search_locations or []) if spec else []
        if str(parent / name) in (str(Path(place).resolve()) for place in places):
            continue
        where = places[0] if places else (spec.origin if spec else None)
        raise ImportError(
            f"The package {name!r} of clip-etl-bench should be {parent / name}, but "
            f"{f'{where} is imported instead. {_way_out(where)}' if where else 'it was not found. Install it again.'}"
        )


def _way_out(where: str) -> str:
    if any(part in ("site-packages", "dist-packages") for part in Path(where).parts):
        return "Uninstall the distribution that owns it, or install clip-etl-bench into a fresh virtual environment."
    return f"Rename {where}, or start Python in a folder (or with a script) that has no such package beside it."


check_siblings(Path(__file__).resolve().parent.parent)

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
