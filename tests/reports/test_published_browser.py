"""The page of published numbers: folded sources, and its length."""

from __future__ import annotations

import pytest

pytest.importorskip("websocket", reason="websocket-client is not installed")

from bench.papers import registered
from bench.papers.published_numbers import published_difficulty, published_frame
from reports.presenters.site import published_site


@pytest.fixture(scope="module")
def view():
    return published_site(published_frame(), published_difficulty(), registered(), package_version="0")


@pytest.fixture
def shown(tab, url):
    tab.size(1440, 900)
    tab.open("about:blank")
    tab.open(url)
    return tab


def test_sources_are_a_fold_that_a_reference_opens(shown):
    assert shown.run("document.getElementById('sources').open") is False
    shown.run("location.hash = '#source-1'")
    shown.wait("document.getElementById('sources').open && !!document.getElementById('source-1')")
    assert shown.box("#source-1").bottom > shown.box("#source-1").top


def test_the_page_is_short(shown):
    assert shown.run("document.documentElement.scrollHeight") <= 6000
