"""The seconds of the page are those of the slowed-down browser, and the measured pages are what their rows say."""

import pytest
import report_sample

pytest.importorskip("websocket", reason="websocket-client is not installed")
from _page import PAGES, interactive_seconds, report
from page_data import block_of


@pytest.mark.browser
def test_a_page_that_can_be_used_has_seconds(tmp_path):
    methods, shots, _ = PAGES["page"]
    (seconds,) = interactive_seconds([report(tmp_path / "a.html", methods, shots)], tmp_path, repeats=1, slowdown=1)
    assert seconds > 0


def test_the_large_page_has_as_many_methods_as_its_row_says(tmp_path):
    """The sample has its own methods again afterwards."""
    methods, _, _ = PAGES["page_32x5"]
    (setting,) = block_of(report(tmp_path / "a.html", methods, (16,)).read_text("utf-8"))["settings"].values()
    assert len(setting["methods"]) == methods == 32
    assert len(report_sample.METHODS) == 8
