"""Record that today's code gives the predictions of an older commit: `python -m tools.equivalent_code COMMIT`.

`bench/results/equivalent_code.json` then holds, for each method, the digests of the older versions with equal
predictions and last those of today. Run methods at the commit and verify them with today's code first:

    etl-bench run ... --runs RUNS      (at COMMIT)
    etl-bench verify --runs RUNS ...   (today: all identical)

A version stays in the list only as long as the list led to the code of the commit.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.results.code_digests import machinery_digest, source_digest
from methods import get_method

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "bench" / "provenance" / "equivalent_code.json"

Pair = tuple[str, str]


def digests(names: list[str]) -> dict[str, Pair]:
    """The digests of each method and of its shared code, as this process imports them."""
    return {name: (source_digest(get_method(name)), machinery_digest(get_method(name))) for name in names}


def digests_at(commit: str, names: list[str]) -> dict[str, Pair]:
    """The digests that the code of a commit has, by its own rules."""
    code = (
        "import json, sys\n"
        "from bench.results.code_digests import machinery_digest, source_digest\n"
        "from methods import get_method\n"
        "names = json.load(sys.stdin)\n"
        "print(json.dumps({n: [source_digest(get_method(n)), machinery_digest(get_method(n))] for n in names}))\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, capture_output=True)
        subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
        found = subprocess.run(
            [sys.executable, "-c", code],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": folder},
            input=json.dumps(names),
            check=True,
            capture_output=True,
            text=True,
        )
    return {name: (own, shared) for name, (own, shared) in json.loads(found.stdout).items()}


def extended(listed: list[str], before: Pair, now: Pair) -> list[str]:
    """The list of one method with the code of the commit and of today.

    Example:
        >>> extended(["a", "b", "c", "d"], ("c", "d"), ("e", "f"))
        ['a', 'b', 'c', 'd', 'e', 'f']
        >>> extended(["a", "b", "c", "d"], ("x", "y"), ("e", "f"))
        ['x', 'y', 'e', 'f']
        >>> extended(["a", "b", "c", "d"], ("c", "d"), ("c", "d"))
        ['a', 'b', 'c', 'd']
    """
    versions = list(zip(listed[::2], listed[1::2], strict=True))
    known = versions if before in versions else [before]
    kept = [*(version for version in known if version != now), now]
    return [digest for version in kept for digest in version]


def main() -> None:
    """Rewrite the list."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit")
    commit = parser.parse_args().commit
    listed = json.loads(LIST.read_text(encoding="utf-8"))
    now, before = digests(list(listed)), digests_at(commit, list(listed))
    rows = [f'"{name}": {json.dumps(extended(listed[name], before[name], now[name]))}' for name in listed]
    LIST.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")
    sys.stdout.write(f"{sum(before[name] != now[name] for name in listed)} of {len(listed)} methods have new digests\n")


if __name__ == "__main__":
    main()
