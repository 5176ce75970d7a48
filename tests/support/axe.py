"""Finds the axe-core accessibility rules (`npm install --no-save axe-core` in this folder or one above)."""

from __future__ import annotations

from pathlib import Path


def find_axe() -> Path | None:
    """The script in `node_modules` of this folder or one above, as Node would find it; None if not installed."""
    for folder in Path(__file__).resolve().parents:
        path = folder / "node_modules" / "axe-core" / "axe.min.js"
        if path.is_file():
            return path
    return None
