"""Records the parity fixtures of one method from a checkout of its official code.

    PYTHONPATH=.:tests/support:tools/parity python tools/parity/record.py lweib --checkout FOLDER \
        --dassl FOLDER

`--dassl` is a checkout of KaiyangZhou/Dassl.pytorch, for repositories that need it. Official code needs yacs and
tabulate besides our packages. It stays as it is, and runs on the CPU in fp32 with the replacements of
`official_side.py` and those in the method's file here.
"""

from __future__ import annotations

import argparse
import importlib
from functools import partial
from pathlib import Path

from on_the_cpu import import_official
from parity_kit import tiny_backbone
from recording import write

METHODS = sorted(path.stem.removeprefix("official_") for path in Path(__file__).parent.glob("official_*.py"))


def main() -> None:
    """Write the two files of the method in `tests/fixtures/parity`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("method", choices=METHODS)
    parser.add_argument("--checkout", type=Path, required=True)
    parser.add_argument("--dassl", type=Path, default=Path())
    given = parser.parse_args()
    checkout = given.checkout.absolute()
    tiny_backbone()  # open_clip is imported before anything is replaced
    import_official(checkout, given.dassl.absolute())
    official = importlib.import_module(f"official_{given.method}")
    write(given.method, official.SOURCE, official.CASES, partial(official.run, checkout))


if __name__ == "__main__":
    main()
