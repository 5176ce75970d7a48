"""The pages of the documentation, which ship with the package."""

import re
from pathlib import Path
from typing import Annotated

import bench
from bench.api.options import Arg
from bench.errors import UsageError
from bench.table import Table
from datasets_registry import did_you_mean

_OF_THE_SITE = ("index", "changelog", "contributing")  # pages that the documentation site puts together


def documentation_pages() -> dict[str, Path]:
    """The guides and tutorials by topic, which is their file name.

    An installed package contains the pages; a source checkout has them in docs/.
    """
    inside = Path(bench.__file__).parent / "docs"
    folder = inside if inside.is_dir() else inside.parent.parent / "docs"
    pages = {page.stem: page for part in (".", "tutorials") for page in sorted((folder / part).glob("*.md"))}
    return {name: page for name, page in pages.items() if name not in _OF_THE_SITE}


def pages_table() -> Table:
    """The topics of the documentation, each with the first heading of its page."""
    return Table([{"topic": name, "title": _title(page)} for name, page in documentation_pages().items()])


def page_text(topic: Annotated[str, Arg("A topic, such as `datasets`. Default: list all topics.")]) -> str:
    """A page of the documentation as Markdown; raises UsageError for an unknown topic."""
    pages = documentation_pages()
    if topic not in pages:
        near = did_you_mean(topic, list(pages), most=1)
        raise UsageError(f"There is no page {topic!r}.{near} `etl-bench doctor docs` lists the topics.")
    return pages[topic].read_text(encoding="utf-8")


def _title(page: Path) -> str:
    heading = re.search(r"^# (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return heading[1] if heading else page.stem
