"""The first screen on a phone, and in a desktop window at 200 % zoom: the map is turned, and can be read."""

from __future__ import annotations

import pytest
from report_sample import catalogue, difficulty_frame, runs_frame

pytest.importorskip("websocket", reason="websocket-client is not installed")

from reports.map.model import gain_map
from reports.presenters.content import PageContent
from reports.presenters.site import site_view

WINDOWS = {"320": (320, 1), "390": (390, 1), "720": (720, 1), "1440 at 200 %": (720, 2)}
"""Widths in CSS px with the pixels of the screen for each."""


@pytest.fixture(scope="module")
def view():
    runs = runs_frame(protocols=("base-to-new",))
    runs = runs[~runs["method"].isin(["cocoop", "maple"])]
    return site_view(PageContent(runs, difficulty_frame(), catalogue(), package_version="0"))


@pytest.fixture(params=WINDOWS)
def small(request, tab, url):
    """The page in a small window."""
    width, density = WINDOWS[request.param]
    screen = {"width": width, "height": 844, "deviceScaleFactor": density, "mobile": density == 1}
    tab.call("Emulation.setDeviceMetricsOverride", **screen)
    tab.open("about:blank")
    tab.open(url)
    return tab


def plain(text):
    return " ".join(text.split())


def test_names_gains_and_times_are_there(small, view):
    shown = gain_map(view.overviews[0], "H")
    assert small.boxes(".wide-map") == []
    assert small.texts(".turned .heads .method") == [row.name for row in shown.rows]
    by_dataset = [row.cells[at].text for at in range(len(shown.columns)) for row in shown.rows]
    assert small.texts(".turned tbody td.c") == by_dataset
    facts = small.texts(".turned thead td[data-m]")
    for row in shown.rows:
        assert {row.rank, plain(row.time), row.gain} <= set(facts)


def test_each_dataset_has_its_zero_shot_accuracy(small, view):
    columns = gain_map(view.overviews[0], "H").columns
    assert small.texts(".turned tbody th a") == [column.title for column in columns]
    assert small.texts(".turned tbody th small") == [plain(column.zero) for column in columns]


def test_the_numbers_are_large_and_the_names_of_datasets_stay(small):
    assert small.styles(".turned td.c", "fontSize") == [["14px"]] * len(small.boxes(".turned td.c"))
    heights = [box.bottom - box.top for box in small.boxes(".turned td.c")]
    assert min(heights) >= 30
    assert sorted(heights)[len(heights) // 2] <= 36, "names of two lines need more"
    small.run("document.querySelector('.turned-map').scrollLeft = 300")
    assert {0 <= box.left <= 20 for box in small.boxes(".turned tbody tr:not(.group) th")} == {True}


def test_only_the_map_scrolls_sideways(small):
    width = small.run("innerWidth")
    assert small.run("document.documentElement.scrollWidth") <= width
    for selector in ("#headline", "#known", ".controls", ".turned-map", "#cards", ".sections"):
        assert small.box(selector).right <= width, selector


def test_a_finger_finds_buttons_lists_and_folds(small):
    targets = small.boxes("button, select, summary, .sections a")
    assert len(targets) > 10
    assert [box for box in targets if box.bottom - box.top < 24] == []
