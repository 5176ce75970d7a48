"""Size, number of nodes and build time of the page, at 8 methods and at 32 methods x 5 shots."""

from __future__ import annotations

import re
import time

import pytest
from page_data import block_of
from report_sample import catalogue, curves_frame, difficulty_frame, many_methods, runs_frame

pytest.importorskip("websocket", reason="websocket-client is not installed")
from chromium import browser

from reports import render_site
from reports.presenters.content import PageContent
from reports.presenters.site import site_view

IMAGES = r"data:image/[^\"]*"


def built(out, shots):
    """The page and the seconds of processor time that it took."""
    runs = runs_frame(protocols=("base-to-new",), shots=shots)
    start = time.process_time()
    view = site_view(PageContent(runs, difficulty_frame(), catalogue(), package_version="0", curves=curves_frame(runs)))
    return render_site(view, out), time.process_time() - start


def size_of(page):
    return len(re.sub(IMAGES, "", page.read_text("utf-8")))


def nodes_of(page, profile):
    """Elements when the page has been loaded, and seconds of script, style and layout until then."""
    with browser(profile) as tab:
        tab.size(1440, 900)
        tab.call("Performance.enable", timeDomain="threadTicks")
        tab.open(page.as_uri())
        return tab.run("document.querySelectorAll('*').length"), busy(tab)


def busy(tab):
    return next(m["value"] for m in tab.call("Performance.getMetrics")["metrics"] if m["name"] == "TaskDuration")


def test_eight_methods_fit_into_a_small_page(tmp_path):
    page, _ = built(tmp_path / "a.html", (16,))
    assert size_of(page) <= 400_000
    script = page.read_text("utf-8").rpartition("<script>")[2]
    assert len(script.partition("</script>")[0]) <= 130_000, "docs/decisions/0009-page-from-one-block.md says why"
    nodes, seconds = nodes_of(page, tmp_path / "profile")
    assert nodes <= 2_500
    assert seconds <= 5, "of the tab's thread"


def test_five_shots_do_not_multiply_what_is_in_the_document(tmp_path):
    """Only one setting is in the HTML; the others are data."""
    page, once = built(tmp_path / "one.html", (16,))
    more, five = built(tmp_path / "five.html", (1, 2, 4, 8, 16))
    assert size_of(more) <= 2.1 * size_of(page)
    assert "16 shots, ViT-B-16.openai</span>" in more.read_text("utf-8"), "most shots"
    assert more.read_text("utf-8").count("<tr") <= page.read_text("utf-8").count("<tr") + 5 + 9, "and accuracy by shots"
    assert five <= 20 * once + 0.5


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_thirty_two_methods_and_five_shots_stay_within_the_budget(tmp_path):
    _, small = built(tmp_path / "small.html", (16,))
    with many_methods(32):
        page, seconds = built(tmp_path / "big.html", (1, 2, 4, 8, 16))
    settings = block_of(page.read_text("utf-8"))["settings"].values()
    shown = {run for setting in settings for row in setting["runs"] for ids in row for run in ids if run}
    assert len(shown) > 5100
    assert size_of(page) <= 1_500_000
    assert seconds <= 120 * small, "twenty times the runs"
    nodes, busy_seconds = nodes_of(page, tmp_path / "profile")
    assert nodes <= 8_000, "the map of 32 methods stands in the document twice, for wide and for narrow windows"
    assert busy_seconds <= 10, "of the tab's thread"
