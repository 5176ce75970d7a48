"""Official code runs with the user's rights, so a user agrees to it once for each commit."""

from __future__ import annotations

import json
from pathlib import Path

from bench.errors import OfficialCodeError
from bench.experiment.official_code.fork_folder import Fork
from bench.results import locked, write_atomically
from datasets_registry import read_json, user_custom_folder

_FORMAT = "clip-etl-bench trusted code 1"


def trust_file() -> Path:
    """The user's list of trusted code, `~/.config/clip-etl-bench/trusted-code.json` on Linux."""
    return user_custom_folder().parent / "trusted-code.json"


def trust_code(path: Path) -> Fork:
    """Note that the user trusts the code in a checkout as it is now; raises OfficialCodeError if it is no checkout."""
    fork, file = Fork.read(path), trust_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    with locked(file.parent):
        trees = _trusted() | {fork.tree: f"{fork.name} {fork.commit[:12]}"}
        write_atomically(file, json.dumps({"format": _FORMAT, "trees": trees}, indent=1).encode())
    return fork


def is_trusted(fork: Fork) -> bool:
    """Whether the user trusts exactly this code."""
    return fork.tree in _trusted()


def check_trusted(fork: Fork) -> None:
    """Raise OfficialCodeError unless the user trusts exactly this code."""
    if not is_trusted(fork):
        raise OfficialCodeError(
            f"{fork.folder} at {fork.commit[:7]} would run with your rights and could read and change your files. If "
            f"you trust this code, say so once: etl-bench methods trust {fork.folder}"
        )


def _trusted() -> dict[str, str]:
    file = trust_file()
    if not file.exists():
        return {}
    try:
        found = read_json(file)
        return {str(tree): str(what) for tree, what in found["trees"].items()} if found["format"] == _FORMAT else {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        raise OfficialCodeError(f"{file} cannot be read; repair or delete it, and trust your code again.") from None
