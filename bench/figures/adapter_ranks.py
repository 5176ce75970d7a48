"""Width of the text adapter: APEX's Figures 10 and 11."""

from __future__ import annotations

from bench.analysis.leaderboard import Entry
from bench.figures.figure_data import PANELS, FigureData, estimate_point
from reports.views import FigureView

RANKS = (8, 16, 32, 64, 128, 256)
KINDS = {"low_rank": "linear, low rank", "bottleneck": "non-linear bottleneck"}
FULL = "linear, full rank"


def adapter_ranks(data: FigureData) -> FigureView:
    """APEX with low-rank linear and with bottleneck adapters, over their inner width."""
    board = data.main
    entries = [entry for entry in board.entries if entry.method == "apex" and entry.complete] if board else []
    swept = [(entry, kind, rank) for entry in entries for kind, rank in [_adapter(entry)] if kind in KINDS]
    points = []
    for split, panel in PANELS.items():
        for entry, kind, rank in sorted(swept, key=lambda item: (item[1], item[2])):
            estimate = entry.averages["h_of_means" if split == "H" else split]
            points.append(estimate_point(panel, KINDS[kind], rank, estimate, entry.run_ids))
        for entry in entries if swept else ():
            if _adapter(entry)[0] == "linear" and _is_plain(entry):
                estimate = entry.averages["h_of_means" if split == "H" else split]
                widths = sorted({rank for _, _, rank in swept})
                points += [estimate_point(panel, FULL, width, estimate, entry.run_ids) for width in widths]
    have = {(kind, rank) for _, kind, rank in swept}
    lacking = {kind: [rank for rank in RANKS if (kind, rank) not in have] for kind in KINDS}
    return FigureView(
        name="apex-fig10-adapter-ranks",
        title="Inner width of the text adapter",
        source="APEX, Figures 10 and 11",
        caption="Means over the datasets of the board. The horizontal line is the full-rank linear adapter.",
        kind="line",
        x_title="Rank or bottleneck width",
        points=tuple(points),
        x_log=True,
        missing=tuple(f"{KINDS[kind]}: width {', '.join(map(str, some))}." for kind, some in lacking.items() if some),
        commands=tuple(
            data.command(["apex"], data.datasets, options=f"--set apex.adapter={kind} --set apex.rank={rank}")
            for kind, some in lacking.items()
            for rank in some
        ),
        own_y=True,
    )


def _adapter(entry: Entry) -> tuple[str, int]:
    return str(entry.config.get("adapter", "linear")), int(entry.config.get("rank", 0))


def _is_plain(entry: Entry) -> bool:
    return entry.config.get("ensemble") == "both" and entry.config.get("ensemble_weight") == "adaptive"
