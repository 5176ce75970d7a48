"""The page of a file's `view` in the browser."""

from __future__ import annotations

import pytest

from reports import render_site


@pytest.fixture(scope="module")
def url(view, tmp_path_factory):
    """The address of the page of the file's `view`."""
    return render_site(view, tmp_path_factory.mktemp("site") / "index.html").as_uri()


@pytest.fixture
def page(tab, url):
    """The page, opened in a wide window."""
    tab.size(1400, 1000)
    tab.open("about:blank")
    tab.open(url)
    tab.run("document.documentElement.style.scrollBehavior = 'auto'")
    return tab
