"""A contrast against one covariate as a small SVG, and its numbers without one dataset."""

import math
from collections.abc import Callable, Mapping

from markupsafe import Markup, escape

from reports._format import p_number, p_value, percent, plain, signed, signed_points
from reports.views import ContrastView, CovariateView, PanelView, TrendResultView, TrendsView

WIDTH, HEIGHT = 250, 138
LEFT, RIGHT, TOP, BOTTOM = 40, 244, 8, 116

Place = Callable[[float], float]
"""From a value to a position in the picture."""


def panel_svg(contrast: ContrastView, panel: PanelView, covariate: CovariateView, titles: Mapping[str, str]) -> Markup:
    """One point per dataset, the zero line, and the regression line where there is one, against the covariate."""
    to_x, to_y = _axes(contrast, panel, covariate)
    dots = "".join(
        f'<circle cx="{to_x(x)}" cy="{to_y(y)}" r="4" data-d="{escape(dataset)}"><title>'
        f"{escape(titles.get(dataset, dataset))}: {signed_points(y)} points at {plain(x)}</title></circle>"
        for dataset, (x, y) in panel.points.items()
    )
    labels = _y_labels(contrast, to_y) + _x_labels(panel, covariate)
    label = f"{contrast.method} minus {contrast.without} against {covariate.title}, {panel.result.verdict}"
    return Markup(
        f'<svg role="img" aria-label="{escape(label)}" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" font-size="11">'
        f'<path class="axis" d="M{LEFT},{TOP}V{BOTTOM}H{RIGHT}"/><path class="zero" d="M{LEFT},{to_y(0)}H{RIGHT}"/>'
        f'<path class="trend-line" d="{_line(panel.result, to_x, to_y)}"/>{labels}{dots}</svg>'
    )


def result_text(result: TrendResultView) -> str:
    """Correlation and p values in one line."""
    if result.rho is None or result.p is None or result.p_corrected is None:
        return "needs three datasets"
    return f"ρ {signed(result.rho)} over {result.n}, {p_value(result.p)}, corrected {p_number(result.p_corrected)}"


def leave_one_out_data(trends: TrendsView) -> list[list[dict[str, tuple[str, str, str]]]]:
    """Verdict, text and line of every panel without one dataset: by contrast, covariate and that dataset."""
    return [
        [
            {
                dataset: (result.verdict, result_text(result), _line(result, *_axes(contrast, panel, covariate)))
                for dataset, result in panel.leaving_out.items()
                if dataset in panel.points
            }
            for panel, covariate in zip(contrast.panels, trends.covariates, strict=True)
        ]
        for contrast in trends.contrasts
    ]


def _axes(contrast: ContrastView, panel: PanelView, covariate: CovariateView) -> tuple[Place, Place]:
    """Both axes of the picture; the panels of a contrast share y, which includes 0."""
    xs = [_along(covariate, x) for x, _ in panel.points.values()] or [0.0]
    ys = [y for other in contrast.panels for _, y in other.points.values()] + [0.0]
    pad_x = 0.06 * (max(xs) - min(xs)) or 0.5
    pad_y = 0.08 * (max(ys) - min(ys)) or 0.01
    x_low, x_high, y_low, y_high = min(xs) - pad_x, max(xs) + pad_x, min(ys) - pad_y, max(ys) + pad_y

    def to_x(value: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * (_along(covariate, value) - x_low) / (x_high - x_low), 1)

    def to_y(value: float) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * (value - y_low) / (y_high - y_low), 1)

    return to_x, to_y


def _line(result: TrendResultView, to_x: Place, to_y: Place) -> str:
    if result.ends is None:
        return ""
    (x1, y1), (x2, y2) = result.ends
    return f"M{to_x(x1)},{to_y(y1)}L{to_x(x2)},{to_y(y2)}"


def _along(covariate: CovariateView, value: float) -> float:
    return math.log(value) if covariate.log else value


def _y_labels(contrast: ContrastView, to_y: Place) -> str:
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
