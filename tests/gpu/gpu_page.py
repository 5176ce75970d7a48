"""The GPU table of the performance page, made from the file that `make gpu` writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "performance.md"
RECORDED = Path(__file__).with_name("recorded.json")
START, END = "<!-- gpu -->\n", "<!-- end of gpu -->"
NOT_MEASURED = (
    "Not measured yet. `make gpu` on a machine with a GPU measures for about five minutes and writes this section.\n"
)


def recorded() -> dict[str, Any] | None:
    """What `make gpu` measured; None before the first time."""
    return json.loads(RECORDED.read_text(encoding="utf-8")) if RECORDED.exists() else None


def page_with(page: str, found: dict[str, Any] | None) -> str:
    """The page with the section of these measurements."""
    head, _, rest = page.partition(START)
    _, _, tail = rest.partition(END)
    return f"{head}{START}{NOT_MEASURED if found is None else section(found)}{END}{tail}"


def section(found: dict[str, Any]) -> str:
    """Machine, images a second, training steps, parity, decoding and the sweep, as far as they were measured."""
    facts = found["environment"]
    parts = [f"{facts.get('gpu', facts['device'])}, torch {facts['torch']}, {facts['date']}\n"]
    if rows := found.get("images"):
        cells = [[row["precision"], row["batch"], f"{row['images_per_second']:.0f}"] for row in rows]
        parts.append(table(("precision", "batch", "images/s"), cells))
    if facts := found.get("files"):
        cells = [
            [
                name,
                f"{row['images_per_second']:.0f}",
                f"{row['bare']:.0f}",
                f"{row['images_per_second'] / row['bare']:.0%}",
            ]
            for name, row in facts.items()
            if name != "cores"
        ]
        head = (f"features from JPEG files, {facts['cores']} cores", "images/s", "bare tower, images/s", "share")
        parts.append(table(head, cells))
    if rows := found.get("steps"):
        parts.append(table(_STEP_COLUMNS, [step_cells(row) for row in rows]))
    if facts := found.get("parity"):
        cells = [[name, value if isinstance(value, bool) else f"{value:.1e}"] for name, value in facts.items()]
        parts.append(table(("features beside the CPU's", "relative difference"), cells))
    if rates := found.get("decode"):
        parts.append(table(("JPEG to pixels", "images/s and core"), [[s, f"{rate:.0f}"] for s, rate in rates.items()]))
    if rows := [row for row in found.get("sweep", []) if "method" in row]:
        cells = [[row["method"], f"{row['train_seconds']:.2f}", mib(row["peak_memory_bytes"])] for row in rows]
        parts.append(table(("run of the small sweep", "training, s", "peak, MiB"), cells))
    if errors := found.get("errors"):
        parts.append(
            table(("part that failed", "error"), [[name, text.replace("|", "/")] for name, text in errors.items()])
        )
    return "\n".join(parts)


_STEP_COLUMNS = (
    "step", "precision", "ours, s", "plain, s", "plain / ours", "peak, MiB", "plain, MiB", "same bits of 5",
    "deterministic: same bits", "slower by",
)  # fmt: skip


def step_cells(row: dict[str, Any]) -> list[str]:
    """One training step; an error in place of numbers where it failed."""
    work = f"{row['method']}, {row['classes']} classes, batch {row['batch']}"
    if "error" in row:
        return [work, row["precision"], row["error"].replace("|", "/"), *[""] * (len(_STEP_COLUMNS) - 3)]
    ours, plain = row["seconds"], row.get("plain_seconds")
    return [
        work, row["precision"], f"{ours:.4f}", f"{plain:.4f}" if plain else "", f"{plain / ours:.1f}" if plain else "",
        mib(row["peak"]), mib(row.get("plain_peak")), str(row["same_bits"]), str(row["same_bits_deterministic"]),
        f"{100 * (row['seconds_deterministic'] / ours - 1):.0f} %",
    ]  # fmt: skip


def mib(value: int | None) -> str:
    """Bytes in MiB; empty where they were not measured."""
    return "" if value is None else f"{value / 2**20:.0f}"


def table(columns: tuple[str, ...], rows: list[list[Any]]) -> str:
    """A table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)
