"""Renders predictions to one HTML file that needs no network."""

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from reports.views.gallery import GalleryView


def render_gallery(view: GalleryView, out: Path) -> Path:
    """Write the page of `view` to the file `out`, whole or not at all, and return its path.

    Example:
        >>> from tempfile import mkdtemp
        >>> page = render_gallery(GalleryView("coop on birds", (), predicted=0), Path(mkdtemp()) / "predictions.html")
        >>> "coop on birds" in page.read_text("utf-8")
        True
    """
    environment = Environment(
        loader=PackageLoader("reports"),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("gallery.html.j2").render(view=view)
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = out.with_name(f".{out.name}.draft")
    try:
        draft.write_text(page, encoding="utf-8")
        draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)
    return out
