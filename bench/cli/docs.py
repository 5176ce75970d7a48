"""`etl-bench docs`: prints the guides and reference pages that ship with the package."""

import re
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer

import bench
from bench.cli import _options as opt
from bench.cli._print import print_markdown, print_rows
from bench.errors import UsageError

_OF_THE_SITE = ("index", "changelog", "contributing")  # pages that the documentation site puts together

Topic = Annotated[str | None, typer.Argument(help="A topic, such as `datasets`. Default: list all topics.")]


def docs(topic: Topic = None, as_json: opt.AsJson = False) -> None:
    """Print a page of the documentation, or list the pages."""
    pages = topics()
    if topic is None:
        print_rows([{"topic": name, "title": _title(page)} for name, page in pages.items()], as_json=as_json)
        return
    if topic not in pages:
        near = get_close_matches(topic, pages, n=1)
        asked = f"Did you mean {near[0]}? " if near else ""
        raise UsageError(f"There is no page {topic!r}. {asked}`etl-bench docs` lists the topics.")
    print_markdown(pages[topic].read_text(encoding="utf-8"))


def topics() -> dict[str, Path]:
    """The pages by topic: the file name of guides and tutorials, and `reference-` before that of reference pages.

    An installed package contains the pages; a source checkout has them in docs/.
    """
    inside = Path(bench.__file__).parent / "docs"
    folder = inside if inside.is_dir() else inside.parent.parent / "docs"
    found = {page.stem: page for part in (".", "tutorials") for page in sorted((folder / part).glob("*.md"))}
    found |= {f"reference-{page.stem}": page for page in sorted((folder / "reference").glob("*.md"))}
    return {name: page for name, page in found.items() if name not in _OF_THE_SITE}


def _title(page: Path) -> str:
    found = re.search(r"^# (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else page.stem
