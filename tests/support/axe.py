"""The axe-core accessibility rules, where npm has put them (`npm install --no-save axe-core` in or above this tree)."""

from __future__ import annotations

from pathlib import Path


def find_axe() -> Path | None:
    """Its script, looked for as Node does: in the `node_modules` of this folder and of every one above."""
    for folder in Path(__file__).resolve().parents:
        path = folder / "node_modules" / "axe-core" / "axe.min.js"
        if path.is_file():
            return path
    return None
