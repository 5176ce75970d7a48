"""The page of an audit in a browser: its answer, a row for each method, narrow windows, and accessibility."""

from __future__ import annotations

import pytest

pytest.importorskip("websocket", reason="websocket-client is not installed")
from chromium import browser, serious_findings

from bench.extensions.paper_audit import audit


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    place = tmp_path_factory.mktemp("audit")
    audit("promptkd-table-1", out=place / "audit.html")
    with browser(tmp_path_factory.mktemp("profile")) as tab:
        tab.size(1280, 900)
        tab.open((place / "audit.html").as_uri())
        yield tab


def test_the_answer_and_every_row_are_shown(page):
    (answer,) = page.texts(".answer")
    assert answer.startswith("PromptKD leads")
    assert len(page.texts("tbody tr")) == 6
    assert page.texts("h2")[0] == "Arithmetic"


def test_commands_are_code(page):
    assert any(text.startswith("etl-bench run") for text in page.texts("li code"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_no_serious_accessibility_finding_at_any_width(page, scheme, width):
    page.size(width, 900)
    page.emulate(scheme=scheme)
    assert serious_findings(page) == []
    page.wait(f"document.documentElement.scrollWidth <= {width}")
