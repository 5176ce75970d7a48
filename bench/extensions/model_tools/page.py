"""The page of what a tuned model learned: one HTML file that needs no network."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bench._util.words import counted
from bench.extensions.model_tools.explanation import ClassTextProjection, EnsembleSummary, Explanation, ZeroShotChanges
from bench.results import write_output
from reports import linear_axis, longest_word, page_environment

WIDTH, HEIGHT, EDGE = 640, 420, 30
NAMED = 12
"""Classes with a name in the picture: those that moved most."""
LETTER, LINE = 6.5, 14
"""Pixels of a letter and of a line of names."""


@dataclass(frozen=True)
class MovedClass:
    """A class vector in pixels: `(x, y)` of the pretrained model, `(u, v)` of the tuned one."""

    name: str
    x: float
    y: float
    u: float
    v: float
    labelled: bool = False


@dataclass(frozen=True)
class WeightPlot:
    """Weights against distances in pixels: a point for each class, lines of equal weight, and marks of distances."""

    points: tuple[tuple[str, float, float], ...]
    lines: tuple[tuple[float, str], ...]
    ticks: tuple[tuple[float, str], ...]


def render_explanation(view: Explanation, out: Path, *, force: bool = False) -> Path:
    """Write the page of `view` to the file `out`, whole or not at all, and return its path.

    Raises UsageError if a file that is not a page of etl-bench is there, unless `force`.

    Example:
        >>> from tempfile import mkdtemp
        >>> page = render_explanation(Explanation("coop on birds", ()), Path(mkdtemp()) / "page.html")
        >>> "coop on birds" in page.read_text("utf-8")
        True
    """
    page = (
        page_environment("bench.extensions.model_tools")
        .get_template("explanation.html.j2")
        .render(
            view=view,
            sentence=what_changed(view.changes),
            points=[] if view.projection is None else placed(view.projection),
            weights=None if view.ensemble is None else weight_plot(view.ensemble),
            word=longest_word(_class_names(view)),
        )
    )
    return write_output(out, page.encode(), force=force)


def _class_names(view: Explanation) -> Iterator[str]:
    for one in () if view.changes is None else view.changes.shown:
        yield from (one.zero_shot, one.tuned, one.label or "")
    yield from (one.label for one in view.maps)


def what_changed(changes: ZeroShotChanges | None) -> str:
    """What the tuned model changes against zero-shot, in one or two sentences; empty without images."""
    if changes is None:
        return ""
    images = f"{counted(changes.images, 'image')} ({changes.source})"
    if not changes.changed:
        return f"The tuned model predicts the same as zero-shot for all {images}."
    text = f"The tuned model predicts another class than zero-shot for {changes.changed} of {images}."
    if changes.counts is None:
        return f"{text} Their labels are unknown, so the page does not show which prediction is right."
    fixed, broken = changes.counts.get("only tuned right", 0), changes.counts.get("only zero-shot right", 0)
    rest = changes.changed - fixed - broken
    return f"{text} {fixed} are fixed, {broken} are broken, and {rest} are wrong before and after."


def placed(projection: ClassTextProjection) -> list[MovedClass]:
    """The points in pixels, with the same scale on both axes; names that would cover another name are left out."""
    xs = [value for _, x, _, u, _ in projection.points for value in (x, u)]
    ys = [value for _, _, y, _, v in projection.points for value in (y, v)]
    span = max(max(xs) - min(xs), max(ys) - min(ys), 1e-9)
    scale = min(WIDTH - 4 * EDGE, HEIGHT - 2 * EDGE) / span

    def place(x: float, y: float) -> tuple[float, float]:
        return round(EDGE + (x - min(xs)) * scale, 1), round(HEIGHT - EDGE - (y - min(ys)) * scale, 1)

    points = [MovedClass(name, *place(x, y), *place(u, v)) for name, x, y, u, v in projection.points]
    far = sorted(points, key=lambda one: -math.hypot(one.u - one.x, one.v - one.y))[:NAMED]
    named: list[MovedClass] = []
    for one in far:
        right = one.u + LETTER * (len(one.name) + 1)
        free = all(
            abs(one.v - other.v) >= LINE or right < other.u or other.u + LETTER * (len(other.name) + 1) < one.u
            for other in named
        )
        if free and right < WIDTH:
            named.append(one)
    return [replace(one, labelled=one in named) for one in points]


def weight_plot(ensemble: EnsembleSummary) -> WeightPlot | None:
    """The weight of each class against its mean distance; None if all classes have one weight."""
    weights = [weight for _, weight, _, _ in ensemble.rows]
    distances = [mean for _, _, mean, _ in ensemble.rows]
    if max(weights) - min(weights) < 1e-6:
        return None
    x, y = linear_axis(distances, 50, 620), linear_axis([0.0, 1.0], 260, 30, most=3)
    return WeightPlot(
        points=tuple((name, x.at(mean), y.at(weight)) for name, weight, mean, _ in ensemble.rows),
        lines=tuple((y.at(tick), f"{tick:g}") for tick in y.ticks),
        ticks=tuple((x.at(tick), f"{tick:g}") for tick in x.ticks),
    )
