"""Renders predictions to one HTML file that needs no network."""

from pathlib import Path

from reports.page_file import page_environment, write_page
from reports.views.gallery import GalleryView


def render_gallery(view: GalleryView, out: Path) -> Path:
    """Write the page of `view` to the file `out`, whole or not at all, and return its path.

    Example:
        >>> from tempfile import mkdtemp
        >>> page = render_gallery(GalleryView("coop on birds", (), predicted=0), Path(mkdtemp()) / "predictions.html")
        >>> "coop on birds" in page.read_text("utf-8")
        True
    """
    page = page_environment().get_template("gallery.html.j2").render(view=view)
    return write_page(out, page)
