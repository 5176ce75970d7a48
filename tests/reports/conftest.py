"""One browser for all tests, and the page of a file's `view` in it."""

from __future__ import annotations

import pytest

from reports import render_site


def pytest_addoption(parser):
    parser.addoption("--write-look", action="store_true", help="store the look of the first screen")


@pytest.fixture(scope="session")
def only_tab(tmp_path_factory):
    """A tab of a headless browser, the same for all files, since a browser takes seconds to start."""
    from chromium import browser

    with browser(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def tab(only_tab):
    """The tab, with scripts, on a bright screen, whatever the test before has left."""
    only_tab.reset()
    return only_tab


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
