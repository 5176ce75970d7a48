"""A contrast against one covariate as a small SVG that a script can redraw."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from markupsafe import Markup, escape

from reports._format import percent, plain, points_of_percent
from reports.views import ContrastView, CovariateView, PanelView, TrendsView

WIDTH, HEIGHT = 250, 138
LEFT, RIGHT, TOP, BOTTOM = 40, 244, 8, 116


def scales(contrast: ContrastView, panel: PanelView, covariate: CovariateView) -> tuple[list[float], list[float]]:
    """The ends of x, as the line uses it, and of y in fractions; y is shared by a contrast's panels and holds 0."""
    xs = [_along(covariate, x) for x, _ in panel.points.values()] or [0.0]
    ys = [y for other in contrast.panels for _, y in other.points.values()] + [0.0]
    pad_x = 0.06 * (max(xs) - min(xs)) or 0.5
    pad_y = 0.08 * (max(ys) - min(ys)) or 0.01
    return [min(xs) - pad_x, max(xs) + pad_x], [min(ys) - pad_y, max(ys) + pad_y]


def panel_svg(contrast: ContrastView, panel: PanelView, covariate: CovariateView, titles: Mapping[str, str]) -> Markup:
    """Dots, the zero line, and the trend where there is one.

    Args:
        contrast: whose panel it is.
        panel: what is drawn.
        covariate: its x.
        titles: of the datasets.
    """
    (x_low, x_high), (y_low, y_high) = scales(contrast, panel, covariate)

    def to_x(value: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * (_along(covariate, value) - x_low) / (x_high - x_low), 1)

    def to_y(value: float) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * (value - y_low) / (y_high - y_low), 1)

    dots = "".join(
        f'<circle cx="{to_x(x)}" cy="{to_y(y)}" r="4" data-d="{escape(dataset)}"><title>'
        f"{escape(titles.get(dataset, dataset))}: {points_of_percent(y)} points at {plain(x)}</title></circle>"
        for dataset, (x, y) in panel.points.items()
    )
    line = ""
    if panel.ends is not None:
        (x1, y1), (x2, y2) = panel.ends
        line = f"M{to_x(x1)},{to_y(y1)}L{to_x(x2)},{to_y(y2)}"
    labels = _y_labels(contrast, to_y) + _x_labels(panel, covariate)
    label = f"{contrast.method} minus {contrast.without} against {covariate.title}, {panel.verdict}"
    return Markup(
        f'<svg role="img" aria-label="{escape(label)}" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" font-size="11">'
        f'<path class="axis" d="M{LEFT},{TOP}V{BOTTOM}H{RIGHT}"/><path class="zero" d="M{LEFT},{to_y(0)}H{RIGHT}"/>'
        f'<path class="trend-line" d="{line}"/>{labels}{dots}</svg>'
    )


def trends_data(trends: TrendsView) -> dict[str, Any]:
    """What a script needs to compute the trends of one measure anew without some datasets.

    Covariates are as lines use them, that is logarithms where lines are straight in those. `frame` is the drawing area
    in the picture's units, and every panel has the ends of its scales.
    """
    logs = {covariate.name: covariate for covariate in trends.covariates}
    return {
        "frame": [LEFT, RIGHT, TOP, BOTTOM],
        "x": [
            {dataset: _along(logs[covariate.name], x) for dataset, x in trends.difficulty[covariate.name].items()}
            for covariate in trends.covariates
        ],
        "contrasts": [
            {
                "y": {dataset: y for panel in contrast.panels for dataset, (_, y) in panel.points.items()},
                "scales": [
                    scales(contrast, panel, covariate)
                    for panel, covariate in zip(contrast.panels, trends.covariates, strict=True)
                ],
            }
            for contrast in trends.contrasts
        ],
    }


def _along(covariate: CovariateView, value: float) -> float:
    return math.log(value) if covariate.log else value


def _y_labels(contrast: ContrastView, to_y: Callable[[float], float]) -> str:
    ys = [y for panel in contrast.panels for _, y in panel.points.values()] or [0.0]
    shown = {0.0}
    for value in (min(ys), max(ys)):
        if all(abs(to_y(value) - to_y(other)) > 12 for other in shown):
            shown.add(value)
    place = f'x="{LEFT - 4}" text-anchor="end"'
    return "".join(f'<text {place} y="{to_y(value) + 4}">{_points(value)}</text>' for value in sorted(shown))


def _points(value: float) -> str:
    return f"{100 * value:+.1f}".replace("-", "−") if value else "0"


def _x_labels(panel: PanelView, covariate: CovariateView) -> str:
    xs = sorted(x for x, _ in panel.points.values())
    if not xs:
        return ""
    text = [percent(x, 0) + " %" if covariate.name == "zero_shot_error" else f"{x:.2g}" for x in (xs[0], xs[-1])]
    y = BOTTOM + 15
    return f'<text x="{LEFT}" y="{y}">{text[0]}</text><text x="{RIGHT}" y="{y}" text-anchor="end">{text[1]}</text>'
