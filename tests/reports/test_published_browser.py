"""The page of published numbers: equal inputs apart from others, whole badges, folded sources."""

from __future__ import annotations

import pytest

pytest.importorskip("websocket", reason="websocket-client is not installed")

from bench.papers import registered
from bench.papers.published_numbers import published_difficulty, published_frame
from reports.presenters.site import published_site

ROWS = ".map tbody tr[data-m]"


@pytest.fixture(scope="module")
def view():
    return published_site(published_frame(), published_difficulty(), registered(), package_version="0")


@pytest.fixture
def shown(tab, url):
    tab.size(1440, 900)
    tab.open("about:blank")
    tab.open(url)
    return tab


def test_badges_are_whole(shown):
    shown.run("document.querySelectorAll('[data-more]').forEach((node) => node.click())")
    ranks = shown.boxes(f"{ROWS}.other .rank")
    badges = shown.boxes(f"{ROWS}.other abbr")
    assert len(badges) >= len(ranks) > 5
    for box in badges:
        around = next(rank for rank in ranks if rank.top <= box.top and box.bottom <= rank.bottom)
        assert around.left <= box.left < box.right <= around.right


def test_every_row_has_a_number_and_zero_shot_is_one_row(shown):
    shown.run("document.querySelectorAll('[data-more]').forEach((node) => node.click())")
    assert set("".join(shown.texts(f"{ROWS} .score"))) <= set("0123456789.")
    assert all(shown.texts(f"{ROWS} .score"))
    assert [name for name in shown.texts(".map .method") if name.startswith("Zero-shot CLIP")] == ["Zero-shot CLIP"]


def test_a_method_with_other_inputs_is_not_called_incomplete(shown):
    options = shown.run("[...document.getElementById('choose-a').options].map((option) => option.text)")
    named = {option.split(" [")[0].removesuffix(" (incomplete)") for option in options if "(incomplete)" in option}
    assert not named & set(shown.texts(f"{ROWS}:not(.incomplete) .method"))


def test_sources_are_a_fold_that_a_reference_opens(shown):
    assert shown.run("document.getElementById('sources').open") is False
    shown.run("location.hash = '#source-1'")
    shown.wait("document.getElementById('sources').open && !!document.getElementById('source-1')")
    assert shown.box("#source-1").bottom > shown.box("#source-1").top


def test_the_page_is_short(shown):
    assert shown.run("document.documentElement.scrollHeight") <= 6000
