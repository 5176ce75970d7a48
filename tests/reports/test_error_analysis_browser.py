"""Error analysis, the choice of costs and accessibility, in a real browser without a network."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("websocket", reason="websocket-client is not installed")
from chromium import serious_findings
from worlds import make_world

from bench.papers.catalogue import Catalogue, DatasetFacts, MethodSheet
from bench.results.database import fresh_store
from reports import render_site
from reports.presenters.content import PageContent
from reports.presenters.site import site_view

PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
WORLD = {
    "zero_shot": {"dtd": {"base": 0.6, "new": 0.7}, "eurosat": {"base": 0.8, "new": 0.5}},
    "coop": {"dtd": {"base": 0.8, "new": 0.6}, "eurosat": {"base": 0.9, "new": 0.5}},
    "apex": {"dtd": {"base": 0.85, "new": 0.75}, "eurosat": {"base": 0.85, "new": 0.7}},
}
CATALOGUE = Catalogue(
    methods={
        "zero_shot": MethodSheet("zero_shot", "Zero-shot CLIP", "zero-shot"),
        "coop": MethodSheet("coop", "CoOp", "text prompt"),
        "apex": MethodSheet("apex", "APEX", "ensemble"),
    },
    datasets={"dtd": DatasetFacts("dtd", "DTD"), "eurosat": DatasetFacts("eurosat", "EuroSAT")},
)


class Painted:
    def class_names(self, dataset, split):
        return ("ant", "bee", "cat", "dog")

    def picture(self, dataset, key):
        return PIXEL


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of a page."""
    runs, folder = tmp_path_factory.mktemp("runs"), tmp_path_factory.mktemp("site")
    make_world(runs, WORLD)
    store = fresh_store(runs)
    content = PageContent(
        store.runs_frame(),
        store.difficulty_frame(),
        CATALOGUE,
        package_version="0.1.0",
        stored=store,
        pictures=Painted(),
    )
    render_site(site_view(content), folder / "alone.html")
    return folder


@pytest.fixture
def page(tab, site):
    tab.size(1400, 1000)
    tab.open((site / "alone.html").as_uri())
    tab.run("document.documentElement.style.scrollBehavior = 'auto'")
    tab.run("document.getElementById('error_analysis').scrollIntoView()")
    tab.wait("document.querySelector('.errors-out table') !== null")
    return tab


def choose(page, title, text):
    page.run(
        f"""(() => {{
            const labels = [...document.querySelectorAll('#errors label')];
            const label = labels.find((l) => l.innerText.startsWith({title!r}));
            const select = label.querySelector('select');
            select.value = [...select.options].find((o) => o.text === {text!r}).value;
            select.dispatchEvent(new Event('change'));
        }})()"""
    )


def out(page):
    return page.run("document.querySelector('.errors-out').innerText")


def complaints(page):
    kinds = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
    return [event for event in page.events if event["method"] in kinds]


def test_from_method_to_class_to_image(page):
    choose(page, "Method", "APEX")
    choose(page, "Dataset", "EuroSAT")
    choose(page, "Classes", "New classes")
    everything = out(page)
    assert "of 1200 predictions on 400 images" in everything
    choose(page, "Seed", "2")
    assert "of 400 predictions on 400 images" in out(page)
    assert page.run("document.querySelectorAll('.errors-out > .examples img').length") == 3
    page.run("document.querySelector('.errors-out tbody th button').click()")
    name = page.run("document.querySelector('.errors-out h4').innerText")
    assert name in ("ant", "bee", "cat", "dog")
    assert page.run("location.hash").count("/") == 5
    assert complaints(page) == []


def test_a_cell_of_the_map_leads_to_what_the_method_changed(page, site):
    link = "[...document.querySelectorAll('#map td a')].find((a) => /apex.*eurosat/.test(a.hash))"
    page.run(f"{link}.click()")
    page.wait("document.querySelectorAll('#errors select')[1].value === 'eurosat'")
    assert page.run("document.querySelectorAll('#errors select')[0].value") == "apex"
    text = re.search(
        r"Against zero-shot CLIP, ([\d.]+) of 400 images fixed and ([\d.]+) broken, mean of 3 seeds", out(page)
    )
    assert text
    gain = 400 * (WORLD["apex"]["eurosat"]["base"] - WORLD["zero_shot"]["eurosat"]["base"])
    assert float(text[1]) - float(text[2]) == pytest.approx(gain, abs=15)
    headings = page.run("[...document.querySelectorAll('.errors-out .strips h4')].map((node) => node.innerText)")
    assert headings == ["Fixed", "Broken"]
    assert page.run("document.querySelectorAll('.strips img').length") in (2, 3, 4)
    assert page.run("document.querySelectorAll('#errors-gains tbody tr').length") in (3, 4)
    choose(page, "Method", "Zero-shot CLIP")
    assert "Against zero-shot" not in out(page)
    assert complaints(page) == []


def test_the_address_leads_back_to_what_was_chosen(page, site):
    choose(page, "Method", "CoOp")
    choose(page, "Dataset", "EuroSAT")
    choose(page, "Seed", "3")
    address, shown = page.run("location.href"), out(page)
    page.open("about:blank")
    page.open(address)
    page.wait("document.querySelector('.errors-out table') !== null")
    assert out(page) == shown


def test_a_table_links_to_the_errors_of_its_row(page):
    page.run("location.hash = '#method=coop'")
    page.wait("document.querySelector('#page h2')?.innerText === 'CoOp'")
    link = "[...document.querySelectorAll('#page a')].find((a) => /^#look=.*eurosat/.test(a.hash))"
    wanted = page.run(f"decodeURIComponent({link}.hash)").split("/")[1:]
    page.run(f"{link}.click()")
    page.wait("document.getElementById('page').hidden")
    page.wait("document.querySelectorAll('#errors select')[1].value === 'eurosat'")
    assert [page.run("document.querySelectorAll('#errors select')[0].value"), "eurosat"] == wanted


def test_tables_that_scripts_make_can_be_sorted(page):
    column = (
        "[...document.querySelectorAll('.errors-out table')[0].tBodies[0].rows].map((r) => r.children[2].innerText)"
    )
    worst_first = page.run(column)
    page.run("document.querySelectorAll('.errors-out table')[0].querySelectorAll('thead button')[2].click()")
    assert page.run(column) == sorted(worst_first, key=float, reverse=True)


def test_folds_are_rendered_when_they_are_opened(page):
    page.run("document.querySelectorAll('details').forEach((card) => { card.open = true; })")
    page.wait("document.querySelectorAll('#leaderboard table.board tbody tr').length === 3")
    assert page.run("document.querySelector('#cost .plot svg').getBoundingClientRect().height") > 100
    assert complaints(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("address", ["", "#method=coop", "#dataset=dtd"])
def test_no_serious_accessibility_finding(page, scheme, width, address):
    page.size(width, 900)
    if address:
        page.run(f"location.hash = {address!r}")
        page.wait("!document.getElementById('page').hidden")
    page.emulate(scheme=scheme)
    page.run("document.querySelectorAll('details').forEach((card) => { card.open = true; })")
    found = serious_findings(page)
    assert found == []
