"""The page in a real browser that cannot reach the network, with and without script."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations

import pytest
from report_sample import catalogue, difficulty_frame, many_methods, runs_frame, sample_site

pytest.importorskip("websocket", reason="websocket-client is not installed")
from shown_pages import choose, open_leaderboard

from reports import render_site
from reports.charts.cost_chart import COST_AXES, cost_axes
from reports.presenters.content import PageContent
from reports.presenters.site import site_view


@pytest.fixture(scope="module")
def view():
    runs = runs_frame()
    return sample_site(runs)


def complaints(page):
    kinds = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
    return [event for event in page.events if event["method"] in kinds]


def open_folds(page):
    """Open every fold, and wait for its content."""
    page.run("document.querySelectorAll('details').forEach((card) => { card.open = true; })")
    loading = "[...document.querySelectorAll('.body')].some((place) => place.textContent.startsWith('Loading'))"
    page.wait(f"!{loading}")


def test_the_file_is_the_only_request_and_the_console_is_silent(page, url):
    for protocol in ("Few-shot", "Base-to-new"):
        choose(page, "#chooser select", protocol)
        open_folds(page)
        select = "figure[data-kind=costs] select"
        for title in page.run(f"[...document.querySelector({select!r}).options].map((option) => option.text)"):
            choose(page, select, title)
    for address in ("method=apex", "dataset=dtd", "method=nobody", ""):
        page.run(f"location.hash = {address!r}")
        page.run("new Promise((done) => setTimeout(done, 30))")
    requested = [e["params"]["request"]["url"] for e in page.events if e["method"] == "Network.requestWillBeSent"]
    assert set(requested) == {url}
    assert complaints(page) == []


def test_the_leaderboard_has_the_numbers_of_the_board_in_every_setting(page, view):
    rows = """[...document.querySelectorAll('table.board tbody tr')].map((row) =>
        [row.querySelector('a.method').title, row.querySelector('.key .mean').textContent])"""
    for protocol, board in zip(("Base-to-new", "Few-shot", "Base-to-new"), (*view.boards, view.boards[0]), strict=True):
        choose(page, "#chooser select", protocol)
        open_leaderboard(page)
        means = [board.board.average(entry.key, board.board.measures[-1]).mean for entry in board.board.entries]
        wanted = [
            [board.entry_name(e.key), f"{100 * mean:.2f}"] for e, mean in zip(board.board.entries, means, strict=True)
        ]
        assert page.run(rows) == wanted


def test_the_chart_of_cost_has_a_point_with_its_numbers_for_every_method(page, view):
    board, figure = view.boards[0], "figure[data-kind=costs]"
    titles = page.run(f"[...document.querySelectorAll('{figure} option')].map((option) => option.text)")
    assert titles == [COST_AXES[axis] for axis in cost_axes(board)]
    for title in titles:
        choose(page, f"{figure} select", title)
        page.wait(f"document.querySelector('{figure} svg')?.getAttribute('aria-label').includes({title.lower()!r})")
        tips = page.run(f"[...document.querySelectorAll('{figure} [data-tip]')].map((node) => node.dataset.tip)")
        wanted = [f"{board.entry_name(point.entry)}: {100 * point.value.mean:.2f}" for point in board.costs]
        assert len(tips) == len(wanted)
        assert all(any(tip.startswith(text) for tip in tips) for text in wanted)


def test_names_from_outside_stay_text_when_they_are_drawn(tab, tmp_path):
    evil = "<b onmouseover=alert(1)>\"'&"
    names = catalogue()
    sheets = {name: replace(sheet, title=evil, family=evil, summary=evil) for name, sheet in names.methods.items()}
    facts = {name: replace(known, title=evil + name, summary=evil) for name, known in names.datasets.items()}
    runs = runs_frame(protocols=("base-to-new",))
    content = PageContent(
        runs,
        difficulty_frame(),
        replace(names, methods=sheets, datasets=facts),
        package_version="0",
    )
    tab.open(render_site(site_view(content), tmp_path / "a.html").as_uri())
    for address in ("", "view=difficulty", "method=apex", "dataset=dtd"):
        tab.run(f"location.hash = {address!r}")
        open_folds(tab)
        assert tab.run("document.body.innerText").count("<b onmouseover") >= 1, address
        assert tab.run("document.querySelectorAll('[onmouseover]').length") == 0, address


def test_a_click_on_a_heading_sorts_and_gaps_stay_last(page):
    open_leaderboard(page)
    column = "[...document.querySelector('table.board').tBodies[0].rows].map(r => r.children[{}].innerText)"
    click = "document.querySelector('table.board').querySelectorAll('thead button')[{}].click()"
    page.run(click.format(2))
    scores = [float(text.split()[0].split("±")[0]) for text in page.run(column.format(2))]
    assert scores == sorted(scores, reverse=True)
    page.run(click.format(2))
    assert [float(text.split()[0].split("±")[0]) for text in page.run(column.format(2))] == scores[::-1]
    page.run(click.format(0))
    assert page.run(column.format(0)) == ["1", "2–4", "2–4", "2–4", "5", "6", "–", "–"]


def test_family_chips_filter_the_rows(page):
    open_leaderboard(page)
    page.run("""document.querySelector('#leaderboard .chip[data-filter="text prompt"]').click()""")
    rows = "document.querySelectorAll('table.board tbody tr').length"
    assert page.run(rows) == 2
    page.run("""document.querySelector('#leaderboard .chip[data-filter="text prompt"]').click()""")
    assert page.run(rows) == 8


def test_one_setting_is_shown_at_a_time_and_a_link_chooses_its_own(page, view):
    shown = "document.querySelector('table.board')?.id"
    first, other = view.boards
    open_leaderboard(page)
    assert page.run(shown) == f"{first.anchor}-table"
    assert page.run(f"document.getElementById('{other.anchor}-table')") is None
    choose(page, "#chooser select", "Few-shot")
    open_leaderboard(page)
    assert page.run(shown) == f"{other.anchor}-table"
    assert "Few-shot" in page.run("document.querySelector('#cost .setting-name').textContent")
    page.run(f"location.hash = '#{first.anchor}-board'")
    page.wait(f"{shown} === '{first.anchor}-table'")
    assert page.run("document.querySelector('#chooser select').value") == "Base-to-new"


def test_head_to_head_has_the_differences_of_the_analysis(page, view):
    order = view.boards[0].verdict
    cells = page.run(
        "[...document.querySelectorAll('[data-section=head_to_head] tbody tr')].map((row) =>"
        " [...row.children].map((cell) =>"
        " [(cell.querySelector('a') || cell).textContent, cell.title, cell.classList.contains('shown')]))"
    )
    keys = list(order.ranks)
    assert [row[0][0] for row in cells] == [view.boards[0].entry_name(key) for key in keys]
    for a, row in zip(keys, cells, strict=True):
        for b, (text, tip, bold) in zip(keys, row[1:], strict=True):
            if a == b:
                assert text == "–"
                continue
            pair = order.on_these(a, b)
            assert float(text.replace("−", "-")) == pytest.approx(100 * pair.mean, abs=0.051)
            assert bold == pair.clear
            ends = [float(end.replace("−", "-")) for end in re.findall(r"[−+]?\d+\.\d\d", tip)[:2]]
            assert ends == pytest.approx([100 * pair.low, 100 * pair.high], abs=0.0051)


def test_methods_and_datasets_have_pages(page, view):
    board = view.boards[0]
    apex = board.board.entry("apex")
    open_leaderboard(page)
    page.run("document.querySelector('table.board a[href=\"#method=apex\"]').click()")
    page.wait("!document.getElementById('page').hidden")
    text = page.run("document.getElementById('page').innerText")
    assert page.run("document.querySelector('#page h2').innerText") == "APEX"
    for part in (view.catalogue.method("apex").summary, "Citation", "recipe.lr"):
        assert part in text
    assert page.run("document.getElementById('front').offsetHeight") == 0
    rows = page.run(
        "[...document.querySelectorAll('#page-table tbody tr')].map((row) => [...row.children].map((c) => c.innerText))"
    )
    for title, base, gain, *_ in rows:
        dataset = next(d.name for d in board.datasets if d.title == title)
        score, zero = (board.board.score(key, dataset, "base") for key in (apex.key, board.board.baseline))
        sides = dict.fromkeys(score.sides or ())
        parts = [float(part) for part in re.findall(r"\d+\.\d\d", base)]
        assert parts == pytest.approx([100 * score.mean, *(100 * side for side in sides)], abs=0.02)
        assert float(gain.replace("−", "-")) == pytest.approx(100 * (score.mean - zero.mean), abs=0.02)
    page.run("[...document.querySelectorAll('#page a')].find((a) => a.innerText === 'DTD').click()")
    page.wait("document.querySelector('#page h2').innerText === 'DTD'")
    assert page.run("document.querySelectorAll('#page-table tbody tr').length") == len(board.board.entries)
    assert "Photographs of textures." in page.run("document.getElementById('page').innerText")
    shown_runs = page.run("document.querySelector('#page-table').innerText")
    assert all(run_id[:6] in shown_runs for run_id in board.board.array.ids(apex.key, "dtd"))
    page.run("document.querySelector('#page a.back').click()")
    page.wait("document.getElementById('page').hidden && document.getElementById('front').offsetHeight > 0")
    assert page.run("document.querySelector('#map table').getBoundingClientRect().height") > 150
    assert complaints(page) == []


def test_a_dataset_with_options_is_found_without_them(tab, tmp_path):
    runs, measured = runs_frame(protocols=("base-to-new",)), difficulty_frame()
    runs, measured = (
        frame.assign(dataset=frame["dataset"].replace("dtd", "dtd:test=10")) for frame in (runs, measured)
    )
    site = sample_site(runs, measured)
    tab.open("about:blank")
    tab.open(render_site(site, tmp_path / "a.html").as_uri() + "#dataset=dtd")
    assert "DTD" in tab.run("document.querySelector('#page h2').textContent")
    tab.run("location.hash = '#dataset=nothing'")
    tab.wait("document.querySelector('#page').textContent.includes('no dataset of that name')")


def test_a_page_of_another_setting_opens_from_its_address(tab, url, view):
    other = view.boards[1]
    tab.open("about:blank")
    tab.open(f"{url}#method=coop&setting={other.anchor}")
    assert tab.run("document.querySelector('#page h2').innerText") == "CoOp"
    assert "few-shot" in tab.run("document.getElementById('page').innerText")
    choose(tab, "#chooser select", "Base-to-new")
    tab.wait("document.getElementById('page').innerText.includes('base-to-new, 16 shots')")
    choose(tab, "#chooser select", "Few-shot")
    tab.wait("document.getElementById('page').innerText.includes('few-shot')")
    assert tab.run("document.querySelector('#page h2').innerText") == "CoOp"
    tab.run("document.querySelector('#page a.back').click()")
    tab.wait("document.getElementById('page').hidden")
    open_leaderboard(tab)
    assert tab.run("document.querySelector('table.board').id") == f"{other.anchor}-table"


def test_a_chart_names_every_method_and_gives_the_two_chosen_ones_colours(page):
    """The names and the colours of the groups; the group of A is above all others."""
    figure = "document.querySelector('figure[data-kind=costs]')"
    page.wait(f"{figure}.querySelector('.a') !== null")
    looks = f"""Object.fromEntries([...{figure}.querySelectorAll('[data-m]')].map((node) =>
        [node.querySelector('text.name').textContent, [node.classList.value, getComputedStyle(node).color]]))"""
    grey, blue, ink = "rgb(174, 182, 192)", "rgb(27, 95, 168)", "rgb(20, 24, 29)"
    found = page.run(looks)
    assert len(found) == 8
    assert list(found)[-1] == "APEX"
    wanted = {"APEX": ["a", blue], "Zero-shot CLIP": ["b", ink]}
    assert found == {name: wanted.get(name, ["", grey]) for name in found}
    choose(page, "#choose-a", "VPT")
    choose(page, "#choose-b", "Tip-Adapter-F")
    page.wait(f"{figure}.querySelector('.a text.name').textContent === 'VPT'")
    wanted = {"VPT": ["a", blue], "Tip-Adapter-F": ["b", ink]}
    assert page.run(looks) == {name: wanted.get(name, ["", grey]) for name in found}


def test_no_name_of_a_chart_covers_another_one(page):
    names = """[...document.querySelectorAll('figure[data-kind=costs] text.name')].map((node) => {
        const { left, right, top, bottom } = node.getBoundingClientRect();
        return [left, right, top, bottom];
    })"""
    boxes = page.wait(f"(() => {{ const found = {names}; return found.length && found; }})()")
    assert len(boxes) >= 6
    for one, other in combinations(boxes, 2):
        apart = one[1] <= other[0] or other[1] <= one[0] or one[3] <= other[2] + 2 or other[3] <= one[2] + 2
        assert apart, (one, other)


def test_of_many_methods_only_the_chosen_two_have_names(tab, tmp_path):
    with many_methods(17):
        runs = runs_frame(protocols=("base-to-new",))
        view = sample_site(runs)
        tab.open("about:blank")
        tab.open(render_site(view, tmp_path / "a.html").as_uri())
    names = "[...document.querySelectorAll('figure[data-kind=costs] text.name')]"
    tab.wait(f"{names}.length === 17")
    tab.wait(f"{names}.filter((node) => node.getBoundingClientRect().width).length === 2")


def test_a_chart_tells_the_point_under_the_pointer_and_the_arrow_keys_walk_them(page):
    tip = "document.querySelector('figure[data-kind=costs] .tip')"
    page.wait("document.querySelector('figure[data-kind=costs] svg') !== null")
    page.run("document.querySelector('figure[data-kind=costs] .plot').focus()")
    seen = []
    for _ in range(8):
        page.call("Input.dispatchKeyEvent", type="keyDown", key="ArrowRight")
        seen.append(page.run(f"{tip}.textContent.split(':')[0]"))
    assert len(set(seen)) == 8
    assert "Pareto: " in page.run(f"{tip}.textContent")
    page.call("Input.dispatchKeyEvent", type="keyDown", key="Escape")
    assert page.run(f"{tip}.hidden")


@pytest.mark.parametrize("width", [320, 768, 1400])
@pytest.mark.parametrize("address", ["", "#method=apex", "#dataset=dtd"])
def test_nothing_sticks_out_of_the_page_and_no_table_scrolls_sideways(page, url, width, address):
    page.size(width, 900)
    page.open("about:blank")
    page.open(url + address)
    open_folds(page)
    page.wait(f"document.documentElement.scrollWidth <= {width}")
    page.wait("[...document.querySelectorAll('.scroll')].every((place) => place.scrollWidth <= place.clientWidth + 1)")


def test_without_script_the_map_the_chart_and_the_provenance_are_there(page, url, view):
    page.scripts(False)
    page.open(url)
    visible = (
        "(() => {{ const e = document.querySelector('{}'); return !!e && e.getBoundingClientRect().height > 100; }})()"
    )
    for selector in ("#map table", ".difficulty"):
        assert page.run(visible.format(selector)), selector
    shown = [text.removesuffix(" #") for text in page.texts("nav a, .part h2, .part h3, button")]
    assert shown[0] == "About"
    assert shown[-1] == "Provenance"
    assert not {"Cost", "Runs", "Light / dark", "Map"} & set(shown)
    text = page.run("document.body.innerText")
    assert text.count("need JavaScript") == 1
    assert page.run("document.querySelector('#headline').innerText").startswith("APEX")


def test_paper_has_the_answer_and_the_board_on_at_most_six_pages(page):
    assert page.printed_pages() <= 6
    page.size(718, 1000)  # A4 between margins of a centimetre
    page.emulate("print")
    right = "getBoundingClientRect().right"
    cut = f"[...document.querySelectorAll('table')].filter((node) => node.{right} > 718).map((node) => node.id)"
    assert page.run(cut) == []
    assert page.run("document.documentElement.scrollWidth") <= 718
    for selector in ("#headline", "#map table", ".difficulty", ".take"):
        assert page.run(f"document.querySelector({selector!r}).getBoundingClientRect().height") > 15
    assert page.run("getComputedStyle(document.querySelector('#map tbody td.c')).fontSize") != "0px"
