"""The pages of the documentation, which ship with the package."""

import re
from pathlib import Path

import bench

_OF_THE_SITE = ("index", "changelog", "contributing")  # pages that the documentation site puts together


def documentation_pages() -> dict[str, Path]:
    """The pages by topic: the file name of guides and tutorials, and `reference-` before that of reference pages.

    An installed package contains the pages; a source checkout has them in docs/.
    """
    inside = Path(bench.__file__).parent / "docs"
    folder = inside if inside.is_dir() else inside.parent.parent / "docs"
    found = {page.stem: page for part in (".", "tutorials") for page in sorted((folder / part).glob("*.md"))}
    found |= {f"reference-{page.stem}": page for page in sorted((folder / "reference").glob("*.md"))}
    return {name: page for name, page in found.items() if name not in _OF_THE_SITE}


def page_title(page: Path) -> str:
    """The first heading of a page."""
    found = re.search(r"^# (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else page.stem
