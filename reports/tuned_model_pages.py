"""The page of a prediction with a tuned model: one HTML file that needs no network."""

from pathlib import Path

from bench.results import write_output
from bench.tuned_models import GalleryView
from reports.page_file import page_environment


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
