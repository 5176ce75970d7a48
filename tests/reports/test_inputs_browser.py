"""What methods see besides the labelled images: badges beside measured rows, and the filter."""

import pytest
import shown_pages
from report_sample import catalogue, difficulty_frame, runs_frame

from reports.presenters.content import PageContent
from reports.presenters.site import site_view

SEEN = {"external:Lab": '["test stream"]', "external:Model": None}


@pytest.fixture(scope="module")
def view():
    """CoOp's runs under its own name, and as those of two methods of others."""
    runs = runs_frame(protocols=("base-to-new",))
    frames = [runs]
    for method, uses in SEEN.items():
        coop = runs[runs["method"] == "coop"]
        frames.append(coop.assign(method=method, run_id=method + coop["run_id"], uses=uses, config="{}"))
    import pandas as pd

    return site_view(PageContent(pd.concat(frames), difficulty_frame(), catalogue(), package_version="0.1.0"))


def test_a_measured_row_has_a_rank_and_the_badges_of_its_inputs(page):
    rows = page.run(
        "Object.fromEntries([...document.querySelectorAll('.wide-map tbody tr[data-m] th')].map((name) => "
        "[name.querySelector('a.method').textContent, [...name.querySelectorAll('abbr')].map((one) => one.title)]))"
    )
    assert rows["Lab (imported predictions)"] == ["test stream"]
    assert rows["Model (imported predictions)"] == ["unknown inputs"]
    assert rows["CoOp"] == []
    assert page.texts(".wide-map tr.other") == []
    key = " ".join(page.texts(".wide-map .keys span:has(abbr)"))
    assert "test stream" in key
    assert "unknown inputs" in key


def test_rows_are_filtered_by_their_inputs(page):
    shown_pages.choose(page, "#choose-inputs", "labelled images only")
    shown = "[...document.querySelectorAll('.wide-map tbody tr[data-m]')].filter((row) => row.checkVisibility())"
    names = page.run(f"{shown}.map((row) => row.querySelector('a.method').textContent)")
    assert "CoOp" in names
    assert not any("(" in name for name in names)
    shown_pages.choose(page, "#choose-inputs", "all inputs")
