"""The critical-difference diagram as SVG: average ranks on a line, bars for ties."""

from collections.abc import Callable, Mapping

from markupsafe import Markup, escape

from reports._format import shorten
from reports.views import CriticalView

WIDTH = 860
LEFT, RIGHT = 270, 590
AXIS = 58
STEP = 22
BAR = 11
LONGEST = 34
"""Longest name in the diagram; the tables show full names."""


def critical_svg(view: CriticalView, names: Mapping[str, str]) -> Markup:
    """Demšar's diagram, with names by entry key."""
    k = len(view.entries)

    def place(rank: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * (rank - 1) / (k - 1), 1)

    first_label = AXIS + 22 + BAR * len(view.cliques)
    half = (k + 1) // 2
    height = first_label + STEP * half
    parts = [*_axis(k, place), *_ruler(view.difference, place)]
    rank_of = dict(zip(view.entries, view.ranks, strict=True))
    for level, clique in enumerate(view.cliques):
        ranks = [rank_of[entry] for entry in clique]
        y = AXIS + 12 + BAR * level
        x1, x2 = place(min(ranks)) - 4, place(max(ranks)) + 4
        parts.append(f'<path d="M{x1},{y}H{x2}" stroke="currentColor" stroke-width="4" stroke-linecap="round"/>')
    for index, (entry, rank) in enumerate(zip(view.entries, view.ranks, strict=True)):
        on_left = index < half
        y = first_label + STEP * (index if on_left else k - 1 - index)
        parts += _label(names[entry], rank, place(rank), y, on_left=on_left)
    label = f"Critical-difference diagram of {k} methods over {view.n} datasets; the table below has the ranks."
    return Markup(
        f'<svg role="img" aria-label="{label}" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'fill="none" font-size="12.5">{"".join(parts)}</svg>'
    )


def _axis(k: int, place: Callable[[float], float]) -> list[str]:
    parts = [f'<path d="M{LEFT},{AXIS}H{RIGHT}" stroke="currentColor"/>']
    step = 1 if k <= 12 else 2 if k <= 24 else 5
    for rank in sorted({1, *range(step, k + 1, step), k}):
        x = place(rank)
        parts.append(f'<path d="M{x},{AXIS}v-6" stroke="currentColor"/>')
        parts.append(f'<text x="{x}" y="{AXIS - 10}" text-anchor="middle" fill="currentColor">{rank}</text>')
    return parts


def _ruler(difference: float, place: Callable[[float], float]) -> list[str]:
    x1, x2 = place(1), place(1 + difference)
    return [
        f'<path d="M{x1},14v8M{x1},18H{x2}M{x2},14v8" stroke="currentColor"/>',
        f'<text x="{x2 + 8}" y="22" fill="currentColor">critical difference {difference:.2f}</text>',
    ]


def _label(name: str, rank: float, x: float, y: int, *, on_left: bool) -> list[str]:
    end, anchor = (LEFT - 34, "end") if on_left else (RIGHT + 34, "start")
    shown = escape(shorten(name, LONGEST))
    title = f"<title>{escape(name)}: average rank {rank:.2f}</title>"
    text_x = end - 6 if on_left else end + 6
    return [
        f'<path d="M{x},{AXIS}V{y}H{end}" stroke="currentColor" stroke-opacity=".55"/>',
        f'<text x="{text_x}" y="{y + 4}" text-anchor="{anchor}" fill="currentColor">{title}{shown}</text>',
    ]
