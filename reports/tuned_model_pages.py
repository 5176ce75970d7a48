"""Pages about a tuned model: what it learned, and its predictions. Each is one HTML file that needs no network."""

from pathlib import Path

from bench.results import write_output
from bench.tuned_models import ClassTextProjection, Explanation, GalleryView
from reports.page_file import page_environment

WIDTH, HEIGHT, EDGE = 640, 420, 30


def render_explanation(view: Explanation, out: Path, *, force: bool = False) -> Path:
    """Write the page of `view` to the file `out`, whole or not at all, and return its path.

    Raises UsageError if a file that is not a page of etl-bench is there, unless `force`.

    Example:
        >>> from tempfile import mkdtemp
        >>> page = render_explanation(Explanation("coop on birds", ()), Path(mkdtemp()) / "page.html")
        >>> "coop on birds" in page.read_text("utf-8")
        True
    """
    points = [] if view.projection is None else placed(view.projection)
    page = page_environment().get_template("explanation.html.j2").render(view=view, points=points)
    return write_output(out, page.encode(), force=force)


def placed(projection: ClassTextProjection) -> list[tuple[str, float, float, float, float]]:
    """The points in pixels, with the same scale on both axes."""
    xs = [value for _, x, _, u, _ in projection.points for value in (x, u)]
    ys = [value for _, _, y, _, v in projection.points for value in (y, v)]
    span = max(max(xs) - min(xs), max(ys) - min(ys), 1e-9)
    scale = min(WIDTH - 4 * EDGE, HEIGHT - 2 * EDGE) / span

    def place(x: float, y: float) -> tuple[float, float]:
        return round(EDGE + (x - min(xs)) * scale, 1), round(HEIGHT - EDGE - (y - min(ys)) * scale, 1)

    return [(name, *place(x, y), *place(u, v)) for name, x, y, u, v in projection.points]


def render_gallery(view: GalleryView, out: Path, *, force: bool = False) -> Path:
    """Write the page of `view` to the file `out`, whole or not at all, and return its path.

    Raises UsageError if a file that is not a page of etl-bench is there, unless `force`.

    Example:
        >>> from tempfile import mkdtemp
        >>> page = render_gallery(GalleryView("coop on birds", (), predicted=0), Path(mkdtemp()) / "predictions.html")
        >>> "coop on birds" in page.read_text("utf-8")
        True
    """
    page = page_environment().get_template("gallery.html.j2").render(view=view)
    return write_output(out, page.encode(), force=force)
