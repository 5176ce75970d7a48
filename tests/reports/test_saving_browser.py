"""What a reader takes along: citations and addresses."""

from __future__ import annotations

import pytest
from report_sample import METHODS, catalogue, difficulty_frame, runs_frame

pytest.importorskip("websocket", reason="websocket-client is not installed")
from shown_pages import open_leaderboard

from reports import render_site
from reports.presenters.content import PageContent
from reports.presenters.site import site_view


def view_of(runs):
    return site_view(PageContent(runs, difficulty_frame(), catalogue(), package_version="0"))


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    return render_site(view_of(runs_frame()), tmp_path_factory.mktemp("site") / "index.html").as_uri()


def opened(tab, url):
    tab.size(1400, 1000)
    tab.open("about:blank")
    tab.open(url)
    tab.run("document.documentElement.style.scrollBehavior = 'auto'")
    return tab


@pytest.fixture
def page(tab, url):
    return opened(tab, url)


def set_field(page, selector, value, event="change"):
    page.run(
        f"""(() => {{
            const field = document.querySelector({selector!r});
            field.value = {value!r};
            field.dispatchEvent(new Event({event!r}, {{ bubbles: true }}));
        }})()"""
    )


def value(page, selector):
    return page.run(f"document.querySelector({selector!r}).value")


def number_of(page, select, text):
    return page.run(f"[...document.querySelector({select!r}).options].find((o) => o.text.startsWith({text!r})).value")


def test_the_citations_of_the_shown_methods_are_copied(page):
    page.call("Emulation.setFocusEmulationEnabled", enabled=True)
    page.run("document.addEventListener('copy', () => { window.copied = document.activeElement.value; })")
    open_leaderboard(page)
    button = "document.querySelector('#leaderboard [data-format=BibTeX]').click()"
    page.call("Runtime.evaluate", expression=button, userGesture=True)
    page.wait("window.copied")
    assert {f"@inproceedings{{{name}, title" in page.run("window.copied") for name in METHODS} == {True}
    page.run("""document.querySelector('#leaderboard .chip[data-filter="text prompt"]').click()""")
    page.call("Runtime.evaluate", expression=f"window.copied = ''; {button}", userGesture=True)
    page.wait("window.copied")
    entries = page.run("window.copied").strip().split("\n\n")
    assert sorted(entry.split("{")[1].split(",")[0] for entry in entries) == ["cocoop", "coop"]


def test_every_heading_of_the_front_page_has_a_link_to_itself(page):
    missing = """[...document.querySelectorAll('#front section.part :is(h2, h4)')].filter((node) => {
        const link = node.querySelector('a.self');
        return !link || !document.getElementById(link.getAttribute('href').slice(1));
    }).map((node) => node.textContent)"""
    assert page.run(missing) == []


def test_every_choice_is_in_the_address_and_back_undoes_one(page, tab, url):
    set_field(page, "#chooser select", "Few-shot")
    set_field(page, "#choose-a", number_of(page, "#choose-a", "VPT"))
    set_field(page, "#choose-b", number_of(page, "#choose-b", "CoOp"))
    address = page.run("location.hash")
    chosen = ("#chooser select", "#choose-a", "#choose-b")
    state = [value(page, selector) for selector in chosen]
    opened(tab, url + address)
    assert [value(page, selector) for selector in chosen] == state
    opened(tab, url)
    page.call("Page.resetNavigationHistory")  # of 50 pages, the browser forgets first those that nobody clicked on
    set_field(page, "#choose-a", number_of(page, "#choose-a", "VPT"))
    set_field(page, "#chooser select", "Few-shot")
    page.run("void setTimeout(() => history.back())")  # an answer would be lost if the page is left
    page.wait("document.querySelector('#chooser select')?.value === 'Base-to-new'")
    page.wait("document.querySelector('#choose-a')?.selectedOptions[0].text === 'VPT'")
    page.run("void setTimeout(() => history.back())")  # an answer would be lost if the page is left
    page.wait("document.querySelector('#choose-a')?.selectedOptions[0].text === 'APEX'")
