"""`etl-bench doctor docs`: the pages that ship with the package."""

import re
from typing import Any

from places import ROOT

from bench.api.documentation import documentation_pages

PACKAGES = ("bench", "methods", "datasets_registry", "reports")


def test_pages_are_listed_and_printed(etl: Any) -> None:
    assert {"clusters", "datasets", "faq", "own-images"} <= documentation_pages().keys()
    _, listed, _ = etl("doctor", "docs")
    assert "clusters" in listed
    assert "From laptop to cluster" in listed
    assert etl("doctor", "docs", "clusters")[1] == (ROOT / "docs" / "clusters.md").read_text(encoding="utf-8") + "\n"
    assert "page 'dataset'. Did you" in etl("doctor", "docs", "dataset")[2]


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
