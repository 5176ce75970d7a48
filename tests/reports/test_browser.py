"""The page in a real browser that cannot reach the network, with and without script."""

from __future__ import annotations

import re

import pytest
from report_sample import catalogue, curves_frame, difficulty_frame, runs_frame

pytest.importorskip("websocket", reason="websocket-client is not installed")
from chromium import browser, find_chromium

from bench.presenters import site_view
from reports import render_site

pytestmark = pytest.mark.skipif(find_chromium() is None, reason="no chromium on this machine")


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    runs = runs_frame()
    view = site_view(runs, difficulty_frame(), catalogue(), package_version="0.1.0", curves=curves_frame(runs))
    return render_site(view, tmp_path_factory.mktemp("site") / "index.html").as_uri()


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def page(tab, url):
    tab.call("Emulation.setScriptExecutionDisabled", value=False)
    tab.size(1400, 1000)
    tab.open(url)
    return tab


def show(page, selector):
    page.run("document.documentElement.style.scrollBehavior = 'auto'")
    page.run(f"document.querySelector({selector!r}).scrollIntoView()")


def choose_setting_of(page, node):
    """Choose the setting of a node."""
    page.run(
        f"""(() => {{
            const name = {node}.closest('.setting').dataset.setting;
            const facets = document.querySelector('.setting[data-backbone][data-setting="' + name + '"]').dataset;
            for (const select of document.querySelectorAll('#chooser select')) {{
                select.value = [...select.options].map(o => o.value).find(v => Object.values(facets).includes(v));
                select.dispatchEvent(new Event('change'));
            }}
        }})()"""
    )


def live_chart(page):
    show(page, "figure.chart")
    page.wait("document.querySelector('figure.chart').dataset.live === 'true'")


def test_the_file_is_the_only_request_and_the_console_is_silent(page, url):
    count = page.run("document.querySelectorAll('figure.chart').length")
    for index in range(count):
        choose_setting_of(page, f"document.querySelectorAll('figure.chart')[{index}]")
        page.run(f"document.querySelectorAll('figure.chart')[{index}].scrollIntoView()")
        page.wait(f"document.querySelectorAll('figure.chart')[{index}].dataset.live === 'true'")
    requested = [e["params"]["request"]["url"] for e in page.events if e["method"] == "Network.requestWillBeSent"]
    assert set(requested) == {url}
    complaints = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
    assert [event for event in page.events if event["method"] in complaints] == []
    assert page.run("document.querySelectorAll('.static').length") == 0, "live charts replace the static pictures"


def test_a_click_on_a_heading_sorts_and_gaps_stay_last(page):
    column = "[...document.querySelectorAll('table.board')[0].tBodies[0].rows].map(r => r.children[{}].innerText)"
    click = "document.querySelectorAll('table.board')[0].querySelectorAll('thead button')[{}].click()"
    page.run(click.format(2))
    base = [float(text.split()[0].split("±")[0]) for text in page.run(column.format(2))]
    assert base == sorted(base, reverse=True)
    page.run(click.format(2))
    assert [float(text.split()[0].split("±")[0]) for text in page.run(column.format(2))] == base[::-1]
    page.run(click.format(0))
    ranks = page.run(column.format(0))
    assert ranks == ["1", "2–4", "2–4", "2–4", "5", "6", "–", "–"]


def test_family_chips_filter_the_rows(page):
    page.run("""document.querySelector('.chip[data-family="text prompt"]').click()""")
    shown = page.run(
        "[...document.querySelectorAll('table.board')[0].querySelectorAll('tbody tr')].filter(r => !r.hidden).length"
    )
    assert shown == 2


def test_one_setting_is_shown_at_a_time_and_a_link_chooses_its_own(page):
    shown = "[...document.querySelectorAll('#leaderboard .setting')].filter(n => n.offsetHeight > 0).map(n => n.id)"
    every = page.run("[...document.querySelectorAll('#leaderboard .setting')].map(n => n.id)")
    assert (len(every), page.run(shown)) == (2, every[:1])
    choose_setting_of(page, f"document.getElementById({every[1]!r})")
    assert page.run(shown) == every[1:]
    page.run(f"location.hash = '#{every[0]}-m1'")
    page.wait(f"{shown}[0] === {every[0]!r}")
    assert page.run(f"document.getElementById('{every[0]}-m1').open")


def test_leaving_out_a_dataset_shows_the_trends_of_the_others(page):
    """They equal those of a page of the runs on the other datasets, for each of the three properties."""
    runs = runs_frame(protocols=("base-to-new",))
    pane = "document.querySelector('.setting.chosen .trends div.pane.chosen')"
    verdicts = f"[...{pane}.querySelectorAll('.verdict')].map(v => v.textContent)"
    lines = f"[...{pane}.querySelectorAll('.trend-line')].map(v => v.getAttribute('d'))"
    first = page.run(verdicts), page.run(lines)
    click = "document.querySelector('.setting.chosen .omit[data-d={}]').click()"
    for dataset in ("eurosat", "dtd"):
        fewer = site_view(runs[runs["dataset"] != dataset], difficulty_frame(), catalogue(), package_version="0")
        wanted = next(trends for trends in fewer.boards[0].part_trends if trends.measure == "H").contrasts[0]
        page.run(click.format(dataset))
        assert page.run(f"{pane}.querySelectorAll('circle.out').length") == 3
        assert page.run("document.querySelectorAll('.setting.chosen .omit[aria-pressed=true]').length") == 1
        for text, line, panel in zip(page.run(verdicts), page.run(lines), wanted.panels, strict=True):
            result = panel.result
            rho, p, corrected = re.search(r"ρ (\S+) over 10, p [=<]* ?([\d.]+), corrected ([\d.]+)", text).groups()
            assert float(rho.replace("−", "-")) == round(result.rho, 2)
            assert float(p) == pytest.approx(result.p, abs=0.005)
            assert float(corrected) == pytest.approx(result.p_corrected, abs=0.005)
            assert text.split(" ρ")[0] == result.verdict
            assert bool(line) == (result.ends is not None)
    page.run(click.format("dtd"))
    assert (page.run(verdicts), page.run(lines)) == first, "all datasets back: the page as it was written"


def test_another_measure_of_the_trends_can_be_chosen(page):
    shown = "[...document.querySelectorAll('.setting.chosen .trends div.pane')].map(n => n.offsetHeight > 0)"
    assert page.run(shown) == [False, False, True]
    page.run("document.querySelector('.setting.chosen .chip.pane[data-pane=\"1\"]').click()")
    assert page.run(shown) == [False, True, False]


def test_the_theme_button_turns_the_page_round(page):
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "light"}])
    colour = "getComputedStyle(document.body).backgroundColor"
    before = page.run(colour)
    page.run("document.getElementById('theme').click()")
    assert page.run(colour) != before
    page.run("document.getElementById('theme').click()")
    assert page.run(colour) == before


def test_a_link_opens_the_section_it_leads_to(page):
    page.run("document.querySelector('table.board a.method').click()")
    page.wait("document.querySelector(location.hash).open")


@pytest.mark.parametrize("width", [420, 768, 1400])
def test_nothing_sticks_out_of_the_page(page, width):
    page.size(width, 900)
    live_chart(page)
    page.run("document.querySelectorAll('details').forEach((card) => { card.open = true; })")
    page.wait(f"document.documentElement.scrollWidth <= {width}")


def test_without_script_tables_and_static_pictures_are_there(page, url):
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    page.open(url)
    visible = (
        "(() => {{ const e = document.querySelector('{}'); return !!e && e.getBoundingClientRect().height > 100; }})()"
    )
    assert page.run(visible.format("figure.chart .static svg"))
    assert page.run(visible.format("table.board"))
    assert page.run("getComputedStyle(document.getElementById('theme')).display") == "none"
    assert page.run("document.querySelector('figure.chart').dataset.live === undefined")
    page.call("Emulation.setScriptExecutionDisabled", value=False)
