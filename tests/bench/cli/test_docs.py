"""`etl-bench doctor docs`: the pages that ship with the package."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.api.documentation import documentation_pages
from bench.cli.app import app
from bench.errors import UsageError

ROOT = Path(__file__).parents[3]
PACKAGES = ("bench", "methods", "datasets_registry", "reports")


def printed(*arguments: str) -> str:
    found = CliRunner().invoke(app, ["doctor", "docs", *arguments], catch_exceptions=False, standalone_mode=False)
    if found.exception is not None:
        raise found.exception
    return found.stdout


def test_pages_are_listed_and_printed() -> None:
    assert {"clusters", "datasets", "faq", "own-images"} <= documentation_pages().keys()
    listed = printed()
    assert "clusters" in listed
    assert "From laptop to cluster" in listed
    assert printed("clusters") == (ROOT / "docs" / "clusters.md").read_text(encoding="utf-8") + "\n"


def test_a_misspelt_topic_is_named_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="page 'dataset'. Did you"):
        printed("dataset")


def test_messages_and_written_files_cite_only_topics_that_exist() -> None:
    """A user who installed the package has no folder docs/."""
    texts = [
        (path, path.read_text(encoding="utf-8"))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.suffix in (".py", ".toml", ".j2", ".html", ".js", ".md") and "_assets" not in path.parts
    ]
    cited = {topic for _, text in texts for topic in re.findall(r"etl-bench doctor docs ([a-z][a-z-]*)", text)}
    assert cited
    assert cited <= documentation_pages().keys()
    assert [f"{path}: {found}" for path, text in texts for found in re.findall(r"docs/[\w/-]+\.md", text)] == []
