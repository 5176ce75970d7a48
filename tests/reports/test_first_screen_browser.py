"""The first screen in a real browser: what it shows without scrolling, how it is used, and what the address keeps."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from report_sample import DATASETS, catalogue, difficulty_frame, runs_frame

pytest.importorskip("websocket", reason="websocket-client is not installed")
import shown_pages
from chromium import serious_findings
from markupsafe import Markup

import reports
from bench.analysis import board_verdicts, leaderboard_table
from bench.analysis.leaderboard_building import build_leaderboards
from bench.papers.catalogue import Catalogue, DatasetFacts
from reports import render_site
from reports.map.model import gain_map
from reports.presenters.content import PageContent
from reports.presenters.site import site_view
from reports.sentences import points
from reports.verdict_sentences import headline, interval, known_lines

COMPLETE = ("zero_shot", "coop", "vpt", "clip_adapter", "tip_adapter", "apex")


@pytest.fixture(scope="module")
def runs():
    runs = runs_frame()
    return runs[runs["method"].isin(COMPLETE)]


@pytest.fixture(scope="module")
def view(runs):
    return site_view(PageContent(runs, difficulty_frame(), catalogue(), package_version="0"))


@pytest.fixture
def page(tab, url):
    """The page with the chart of difficulty."""
    tab.size(1440, 900)
    tab.open("about:blank")
    tab.open(url + "#view=difficulty")
    return tab


def choose(page, name, text):
    """Choose the option with that text in a select of the first chart."""
    shown_pages.choose(page, f"#choose-{name}", text)


def shown(page, selector):
    """Text with ordinary spaces; the page keeps numbers and units together."""
    return page.run(f"document.querySelector({selector!r}).innerText").replace("\u00a0", " ")


def caption(page):
    return shown(page, "#hero figcaption")


@pytest.fixture
def first(tab, url):
    """The page as it opens: with the map."""
    tab.size(1440, 900)
    tab.open("about:blank")
    tab.open(url)
    return tab


def test_the_first_screen_holds_the_headline_the_map_and_the_cards(first, view):
    for box in map(first.box, ("#headline", "#known", "#map table", "#cards")):
        assert 0 < box.top < box.bottom < 900
        assert box.right - box.left > 200
    assert first.box("#map .band").top < first.box("#map tbody tr").top <= 350
    overview = view.overviews[0]
    text = shown(first, "#headline")
    assert text == headline(overview, "H").split("\n")[0]
    assert shown(first, "#known").split() == words(str(known_lines(overview, "H")).replace("</span>", " "))
    assert first.texts(".card-answer > b") == ["APEX"]


def test_at_1024_px_the_first_screen_holds_the_whole_map(tab, url):
    tab.size(1024, 768)
    tab.open(url)
    assert tab.run("document.querySelector('.wide-map tbody').getBoundingClientRect().bottom") <= 768
    assert tab.run(
        "document.querySelector('#map .scroll').scrollWidth <= document.querySelector('#map .scroll').clientWidth"
    )


CELLS = """[...document.querySelectorAll('.wide-map tr[data-m]')].map((row) =>
    [...row.children].map((cell) => cell.innerText.trim().replace('−', '-')))"""
TITLES = "[...document.querySelectorAll('.wide-map th.name .sort')].map((node) => node.textContent)"


def assert_map(rows, titles, overview, measure):
    """Below zero-shot, the rows of the map have the board's gains, best first, on datasets from easy to hard."""
    board, answer = overview.board, overview.answers[measure]
    names = [next(d.name for d in overview.datasets if d.title == title) for title in titles]
    assert names == sorted(names, key=lambda name: answer.places[name])
    means = []
    zero = board.average(board.baseline, measure).mean
    for _, method, mean, gain, _, *cells, _ in rows:
        title = method.split("\n")[0]
        entry = next(e for e in board.entries if title.startswith(overview.catalogue.method(e.method).title))
        means.append(float(mean))
        average = board.average(entry.key, measure).mean
        assert float(mean) == pytest.approx(100 * average, abs=0.051)
        assert (
            gain == ""
            if entry.key == board.baseline
            else float(gain) == pytest.approx(100 * (average - zero), abs=0.08)
        )
        for name, text in zip(names, cells, strict=True):
            found, below = (board.array.mean(key, name, measure) for key in (entry.key, board.baseline))
            if entry.key == board.baseline:
                assert float(text.removesuffix("\u00a0%")) == pytest.approx(100 * found, abs=0.51)
            else:
                assert float(text) == pytest.approx(100 * (found - below), abs=0.08)
    assert rows[0][1] == "Zero-shot CLIP"
    assert means[1:] == sorted(means[1:], reverse=True)


def test_the_map_has_the_numbers_of_the_board_and_follows_the_score(first, view):
    overview = view.overviews[0]
    rows = first.run(CELLS)
    assert_map(rows, first.run(TITLES), overview, "H")
    ranks, entries = view.boards[0].verdict.ranks, overview.board.entries
    below = [ranks[entry.key] for entry in entries if entry.key != overview.board.baseline]
    assert [row[0] for row in rows] == [ranks[overview.board.baseline], *below]
    choose(first, "measure", "new classes")
    assert_map(first.run(CELLS), first.run(TITLES), overview, "new")
    assert shown(first, "#headline") == headline(overview, "new").split("\n")[0]


def test_without_script_the_map_has_the_same_numbers(first, tab, url):
    drawn, titles = first.run(CELLS), first.run(TITLES)
    tips = first.run("[...document.querySelectorAll('#map tbody td')].map((cell) => cell.title)")
    told = r"\d+\.\d\d\s% \(95\s% interval \d+\.\d\d to \d+\.\d\d\), 3 runs"
    assert any(re.fullmatch(told, tip) for tip in tips)
    tab.scripts(False)
    tab.open(url)
    plain = tab.run(CELLS)
    assert tab.texts(".wide-map .heads :is(.sort, .sr)") == [
        "Rank",
        "Method",
        "H, %",
        "Gain",
        "Intervals",
        *titles,
        "Training",
    ]
    assert plain == drawn


def test_the_band_draws_zero_shot_and_the_method_under_the_pointer(first, view):
    svgs = "document.querySelectorAll('#map .band-plot svg.at').length"
    assert first.run(svgs) == len(DATASETS)
    legend = "document.querySelector('#map .keys').innerText"
    assert "APEX" in first.run(legend)
    places = "[...document.querySelectorAll('#map .band circle')].map((node) => node.getAttribute('cy'))"
    before = first.run(places)
    row = "[...document.querySelectorAll('#map tbody tr')].find((row) => row.innerText.includes('CoOp'))"
    box = first.run(f"(() => {{ const b = {row}.getBoundingClientRect(); return [b.x + 300, b.y + b.height / 2]; }})()")
    first.move(*box)
    first.wait(f"{legend}.includes('CoOp')")
    assert first.run(places) != before
    first.move(5, 5)
    first.wait(f"{legend}.includes('APEX')")


def test_the_switch_shows_the_chart_and_the_address_keeps_it(first, tab, url):
    hidden = "['map', 'difficulty'].map((name) => document.querySelector(`[data-view=${name}]`).hidden)"
    assert first.run(hidden) == [False, True]
    first.run("document.querySelector('[data-show=difficulty]').click()")
    assert first.run(hidden) == [True, False]
    assert first.run("location.hash") == "#view=difficulty"
    assert first.run("document.querySelectorAll('#hero .wide [data-mark][display=inline]').length") > 20
    first.run("history.back()")
    first.wait("!document.querySelector('[data-view=map]').hidden")
    first.run("document.querySelector('#map tbody td.reach a').click()")
    first.wait("!document.querySelector('[data-view=difficulty]').hidden")
    tab.open("about:blank")
    tab.open(url + "#view=nothing")
    assert tab.run(hidden) == [False, True]


STOPS = """[...document.querySelectorAll('a[href], button, input, select, summary, [tabindex]')].filter((node) =>
    node.tabIndex >= 0 && node.checkVisibility()).map((node) => node.closest('[id]')?.id)"""


def test_the_page_has_few_tab_stops_and_arrow_keys_move_within_a_table(first):
    stops = first.run(STOPS)
    assert len(stops) <= 60, Counter(stops)
    first.run("document.querySelector('#map tbody a').focus()")
    focused = "document.activeElement.closest('td, th').cellIndex + ',' + document.activeElement.closest('tr').rowIndex"
    start = first.run(focused)
    for key, expected in (("ArrowDown", "1,5"), ("ArrowRight", "4,5"), ("ArrowUp", "4,4"), ("ArrowLeft", "1,4")):
        first.call("Input.dispatchKeyEvent", type="keyDown", key=key)
        assert first.run(focused) == expected
    assert start == "1,4", "below the headings"


def test_a_chosen_pair_stays_with_another_score_and_protocol(page, tab):
    choose(page, "a", "CoOp")
    choose(page, "b", "VPT")
    choose(page, "x", "Zero-shot error")
    choose(page, "measure", "base classes")
    chosen = "['a', 'b', 'x'].map((name) => document.getElementById('choose-' + name).selectedOptions[0].text)"
    assert page.run(chosen) == ["CoOp", "VPT", "Zero-shot error"]
    page.run(
        """(() => { const select = document.querySelector('#chooser select');
            select.value = 'Few-shot'; select.dispatchEvent(new Event('change')); })()"""
    )
    assert page.run(chosen) == ["CoOp", "VPT", "Zero-shot error"]
    assert "CoOp minus VPT" in caption(page)
    address = page.run("location.href")
    tab.open("about:blank")
    tab.open(address)
    assert tab.run(chosen) == ["CoOp", "VPT", "Zero-shot error"]


def test_no_number_stands_apart_from_its_unit(page):
    texts = [
        "#headline",
        "#known",
        "#caveats",
        "#cards",
        "#small-print",
        "#hero figcaption",
    ]
    for selector in texts:
        text = page.run(f"document.querySelector({selector!r}).textContent")
        assert re.findall(r"\d (?:%|±|points?\b|s\b|min\b)", text) == [], selector


def test_every_dataset_is_named_with_and_without_script(page, tab, url, view):
    titles = {title for title, *_ in DATASETS.values()}
    names = "[...document.querySelectorAll('#hero [data-text=name]')].map((node) => node.textContent)"
    assert set(page.run(names)) == titles
    tab.scripts(False)
    tab.open(url)
    assert set(tab.run(names)) == titles
    assert tab.run("document.querySelector('#hero svg').getBoundingClientRect().height") > 300


def test_the_printed_chart_is_that_of_the_chosen_pair(first):
    choose(first, "a", "CoOp")
    choose(first, "measure", "new classes")
    assert first.run("document.querySelector('[data-view=difficulty]').hidden")
    first.emulate("print")
    assert first.run("document.querySelector('#hero svg').getBoundingClientRect().height") > 200
    assert "CoOp minus" in caption(first)


DRAWING = """(() => {
    const drawing = document.querySelector('#hero .wide');
    const { zero, unit } = JSON.parse(drawing.dataset.frame);
    const shown = (node) => node && node.getAttribute('display') !== 'none';
    const place = (node) => Number(node.getAttribute('transform').match(/,([-.\\d]+)/)[1]);
    const scale = [...drawing.querySelectorAll('[data-scale]')].find(shown).dataset.scale;
    const [low, high, top, bottom] = JSON.parse(scale);
    const lower = (node) => shown(node) ? low + (high - low) * (place(node) - bottom) / (top - bottom) : null;
    const score = (node) => shown(node) ? (place(node) - zero) / unit : null;
    const columns = [...drawing.querySelectorAll('[data-d]')].map((column) => ({
        x: parseFloat(column.getAttribute('transform').slice(10)),
        name: column.querySelector('[data-text=name]').textContent,
        number: column.querySelector('[data-text=difference]').textContent,
        loss: column.getAttribute('color').includes('loss'),
        difference: lower(column.querySelector('[data-part=gap]')),
        a: score(column.querySelector('[data-mark=a]')),
        b: score(column.querySelector('[data-mark=b]')),
        zero: score(column.querySelector('[data-mark=zero]')),
    }));
    return { mean: lower(drawing.querySelector('[data-part=at]')), columns: columns.sort((p, q) => p.x - q.x) };
})()"""


def test_any_two_methods_are_drawn_and_compared_as_the_analysis_does(page, view):
    overview = view.overviews[0]
    names, table = overview.names, overview.table
    for a, b, measure, axis in (
        ("apex", "coop", "H", "relative_transfer_difficulty"),
        ("vpt", "tip_adapter", "new", "zero_shot_error"),
        ("coop", "vpt", "base", "chance"),
        ("clip_adapter", "zero_shot", "H", "relative_transfer_difficulty"),
    ):
        answer = overview.answers[measure]
        choose(page, "a", names[a])
        choose(page, "b", names[b])
        choose(page, "measure", {"H": "H", "new": "new classes", "base": "base classes"}[measure])
        choose(page, "x", next(one.title for one in overview.axes if one.name == axis))
        drawn, found, other = page.run(DRAWING), answer.verdict.on_these(a, b), answer.verdict.on_others(a, b)
        along = answer.difficulty[axis]
        order = sorted(table.datasets, key=lambda name: along[name])
        assert [along[dataset] for dataset in order] == sorted(along.values())
        assert [column["name"] for column in drawn["columns"]] == [overview.title(name) for name in order]
        for column, name in zip(drawn["columns"], order, strict=True):
            one, two, zero = (100 * table.mean(key, name, measure) for key in (a, b, "zero_shot"))
            assert [column["a"], column["zero"]] == pytest.approx([one, zero], abs=0.06)
            assert column["b"] == (None if b == "zero_shot" else pytest.approx(two, abs=0.06))
            assert column["difference"] == pytest.approx(one - two, abs=0.11)
            assert float(column["number"].replace("−", "-")) == pytest.approx(one - two, abs=0.061)
            assert column["loss"] == (round(100 * one) < round(100 * two))
        assert drawn["mean"] == pytest.approx(100 * found.mean, abs=0.11)
        text = caption(page)
        assert f"{names[a]} minus {names[b]}: mean {points(found.mean)} points" in text
        assert f"interval here: {interval(found.low, found.high)}." in text
        assert f"datasets like these: {interval(other.low, other.high)}." in text


def test_the_script_moves_the_first_pair_to_where_it_is_drawn(page, tab, url):
    moved, text = page.run(DRAWING), caption(page)
    tab.scripts(False)
    tab.open(url)
    drawn, plain = tab.run(DRAWING), caption(tab)
    for one, other in zip(drawn["columns"], moved["columns"], strict=True):
        assert one == pytest.approx(other, abs=0.11)
    assert drawn["mean"] == pytest.approx(moved["mean"], abs=0.11)
    assert plain == text


def test_the_pointer_finds_the_nearest_dataset_and_arrow_keys_walk_them(page):
    last = "[...document.querySelectorAll('#hero .wide [data-d]')].find((node) => node.textContent.includes('EuroSAT'))"
    area = f"{last}.querySelector('rect').getBoundingClientRect()"
    box = page.run(f"(() => {{ const b = {area}; return [b.x, b.y, b.width, b.height]; }})()")
    tip = "document.querySelector('#hero .tip').innerText"
    page.move(box[0] + 0.1 * box[2], box[1] + 0.5 * box[3])
    page.wait(f"{tip}.startsWith('EuroSAT, 10 classes, zero-shot 56.0\u00a0%, 6 × chance.')")
    for word in ("rank", "Difference", "points", "Best here"):
        assert word in page.run(tip)
    page.move(5, 5)
    page.wait("document.querySelector('#hero .tip').hidden")
    page.run("document.querySelector('#hero .picture').focus()")
    seen = []
    for _ in DATASETS:
        page.call("Input.dispatchKeyEvent", type="keyDown", key="ArrowRight")
        seen.append(page.run(f"{tip}.split(',')[0]"))
    assert sorted(seen) == sorted(title for title, *_ in DATASETS.values())
    assert (seen[0], seen[-1]) == ("ImageNet", "EuroSAT")
    label = page.run("document.querySelector('#hero .picture').getAttribute('aria-describedby')")
    assert "is ahead on" in shown(page, f"#{label}")


def test_the_address_restores_methods_score_and_axis(page, tab, url):
    choose(page, "measure", "new classes")
    choose(page, "a", "CoOp")
    choose(page, "b", "VPT")
    choose(page, "x", "Zero-shot error")
    before = caption(page)
    address = page.run("location.href")
    assert "A=coop&B=vpt&x=zero_shot_error" in address
    tab.open("about:blank")
    tab.open(address)
    assert caption(tab) == before
    chosen = (
        "['a', 'b', 'measure', 'x'].map((name) => document.getElementById('choose-' + name).selectedOptions[0].text)"
    )
    assert tab.run(chosen) == ["CoOp", "VPT", "new classes", "Zero-shot error"]
    tab.open("about:blank")
    tab.open(url + "#A=nobody&B=%3Cb%3E&x=1")
    assert tab.run(chosen) == ["APEX", "Zero-shot CLIP", "H", "Transfer difficulty"]


def test_chosen_families_stay_with_another_score_and_are_in_the_address(page, tab):
    shown = ".wide-map tbody small"
    page.run("document.querySelector('[data-show=map]').click()")
    choose(page, "family", "ensemble")
    assert set(page.texts(shown)) == {"ensemble"}
    assert "family=ensemble" in page.run("location.hash")
    choose(page, "measure", "new classes")
    assert set(page.texts(shown)) == {"ensemble"}
    address = page.run("location.href")
    tab.open("about:blank")
    tab.open(address)
    assert set(tab.texts(shown)) == {"ensemble"}
    choose(tab, "family", "all families")
    assert "family" not in tab.run("location.hash")
    assert len(set(tab.texts(shown))) > 1


def test_another_setting_has_its_own_answer(page, view):
    shown_pages.choose(page, "#chooser select", "Few-shot")
    assert "Mean" not in shown(page, "#headline")
    assert page.run("location.hash") == "#setting=vit-b-16-openai-few-shot-16-shots&view=difficulty"
    assert "few-shot, 16 shots" in page.run("document.querySelector('[data-setting-text]').textContent")


def words(text):
    return Markup(str(text).replace("</p>", " ")).striptags().replace("\u00a0", " ").split()


def test_without_zero_shot_there_is_no_card(tab, runs, tmp_path):
    few = runs[runs["method"].isin(["coop", "apex"])]
    site = site_view(PageContent(few, difficulty_frame(), catalogue(), package_version="0"))
    tab.open(render_site(site, tmp_path / "index.html").as_uri())
    assert tab.run("!!document.querySelector('#cards div')?.checkVisibility()") is False


@pytest.fixture(scope="module")
def url_with_name(runs, tmp_path_factory):
    """Address of a page where one method and one dataset have that name, written once; "": the usual names."""

    @cache
    def url_with_name(name):
        names = Catalogue(datasets={"dtd": DatasetFacts("dtd", name)}) if name else catalogue()
        chosen = runs.assign(method=runs["method"].replace("coop", name)) if name else runs
        view = site_view(PageContent(chosen, difficulty_frame(), names, package_version="0"))
        return render_site(view, tmp_path_factory.mktemp("named") / "a.html").as_uri()

    return url_with_name


@pytest.mark.parametrize("width", [320, 390, 768, 1024, 1440])
@pytest.mark.parametrize("name", ["", "x" * 300, "long words " * 30])
def test_no_width_and_no_name_scrolls_the_page_sideways(tab, url_with_name, width, name):
    tab.size(width, 900)
    tab.open(url_with_name(name))
    assert tab.run("document.documentElement.scrollWidth") <= width
    tab.run("document.querySelectorAll('details').forEach((card) => { card.open = true; })")
    tab.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert tab.run("document.documentElement.scrollWidth") <= width


ROWS = """[...document.querySelectorAll('#hero .narrow [data-d]')].filter((row) => row.checkVisibility()).map((row) => [
    row.getBoundingClientRect().top, row.querySelector('[data-text=name]').textContent,
    row.querySelector('[data-text=difference]').textContent, parseFloat(getComputedStyle(row).fontSize),
    row.getBoundingClientRect().width / row.getBBox().width])"""


def test_a_phone_shows_one_row_per_dataset_and_the_ranked_score_of_the_board(tab, url, view):
    tab.size(390, 844)
    tab.open("about:blank")
    tab.open(url + "#view=difficulty")
    rows = tab.run(ROWS)
    rows.sort()
    assert len(rows) == 11
    assert (rows[0][1], rows[-1][1]) == ("ImageNet", "EuroSAT"), "easy at the top"
    overview = view.overviews[0]
    for _, name, difference, size, zoom in rows:
        dataset = next(found.name for found in overview.datasets if found.title == name)
        apex, zero = (overview.table.mean(key, dataset, "H") for key in ("apex", "zero_shot"))
        assert float(difference.replace("−", "-")) == pytest.approx(100 * (apex - zero), abs=0.061)
        assert size * zoom >= 12
    tab.run("document.documentElement.style.scrollBehavior = 'auto'")
    shown_pages.open_leaderboard(tab)
    tab.run("document.querySelector('#leaderboard table.board').scrollIntoView()")
    box = tab.box("#leaderboard table.board tbody td.key .mean")
    assert 0 <= box.left < box.right <= 390


def test_what_is_copied_is_what_export_writes(page, runs, view):
    """The text that reaches the clipboard, and the numbers in it."""
    shown_pages.open_leaderboard(page)
    copies = "document.querySelector('#leaderboard table.board').closest('.table').querySelector('.copies {}')"
    board = build_leaderboards(runs)[0]
    page.call("Emulation.setFocusEmulationEnabled", enabled=True)
    page.run("document.addEventListener('copy', () => { window.copied = document.activeElement.value; })")
    texts = {}
    for form in ("CSV", "LaTeX", "Markdown"):
        page.call(
            "Runtime.evaluate",
            expression=copies.format(f"[data-format={form}]") + ".click()",
            userGesture=True,
        )
        page.wait(copies.format("[role=status]") + f".textContent === '{form} copied'")
        texts[form] = page.run("window.copied")
    titles = view.boards[0].catalogue.board_titles(board)
    verdicts = board_verdicts(board)
    table = leaderboard_table(board, verdicts, titles)
    assert texts == {"CSV": table.csv(), "LaTeX": table.latex(), "Markdown": table.markdown()}
    rows = list(csv.DictReader(io.StringIO(texts["CSV"])))
    cells = page.texts("#leaderboard table.board tbody td.key .mean")
    assert [100 * float(row["H"]) for row in rows] == pytest.approx([float(text) for text in cells], abs=0.0051)


def test_any_table_is_copied_as_it_is_shown(page):
    page.call("Emulation.setFocusEmulationEnabled", enabled=True)
    page.run("document.addEventListener('copy', () => { window.copied = document.activeElement.value; })")
    place = "document.querySelector('[data-section=head_to_head] .table')"
    texts = {}
    for form in ("CSV", "LaTeX", "Markdown"):
        click = f"{place}.querySelector('.copies [data-format={form}]').click()"
        page.call("Runtime.evaluate", expression=click, userGesture=True)
        page.wait(f"{place}.querySelector('[role=status]').textContent === '{form} copied'")
        texts[form] = page.run("window.copied")
    shown = page.run(
        f"[...{place}.querySelectorAll('tr')].map((row) => [...row.children].map((cell) => cell.innerText.trim()))"
    )
    assert list(csv.reader(io.StringIO(texts["CSV"]))) == [
        ["" if text == "–" else text.replace("−", "-") for text in row] for row in shown
    ]
    assert texts["Markdown"].splitlines()[0] == "| " + " | ".join(shown[0]) + " |"
    assert len(texts["LaTeX"].splitlines()) == len(shown) + 5


def test_no_cell_of_a_copied_csv_is_a_formula(page):
    script = (Path(reports.__file__).parent / "templates/script/copy_tables.js").read_text("utf-8")
    cells = ["=1", "@a", "-2+3", "+a", "\t=1", "-0.50", "+1", "a=1"]
    table = {"columns": [["name"]], "rows": [[cell] for cell in cells]}
    around = "const kindOf = () => 'text', parts5 = (cell) => [cell, null], CELL = {};"
    text = page.run(f"(() => {{ {around} {script}\nreturn tableText({{ table: {json.dumps(table)} }}, 'CSV'); }})()")
    assert text.splitlines() == ["name", "'=1", "'@a", "'-2+3", "'+a", "'\t=1", "-0.50", "+1", "a=1"]


def test_a_dataset_without_difficulty_stays_in_the_picture(tab, runs, tmp_path):
    measured = difficulty_frame()
    here = measured["dataset"] == "fgvc_aircraft"
    measured = measured[~(here & measured["measure"].str.startswith("relative"))]
    measured.loc[here & (measured["measure"] == "zero_shot_accuracy"), "value"] = 0.0
    view = site_view(PageContent(runs, measured, catalogue(), package_version="0"))
    tab.size(1440, 900)
    page = render_site(view, tmp_path / "a.html")
    tab.open(page.as_uri() + "#view=difficulty")
    assert tab.run(DRAWING)["columns"][-1]["name"] == "FGVC Aircraft"
    assert "–: no known difficulty." in caption(tab)
    assert tab.run("document.querySelectorAll('#hero .wide [data-mark=a][display=inline]').length") >= 11


@pytest.mark.parametrize("scripts", [True, False])
def test_a_map_without_difficulty_says_so(tab, runs, tmp_path, scripts):
    """Neither the band nor the caption speaks of difficulty as if it were known."""
    view = site_view(PageContent(runs, difficulty_frame().iloc[:0], catalogue(), package_version="0"))
    tab.scripts(scripts)
    tab.size(1440, 900)
    tab.open(render_site(view, tmp_path / "a.html").as_uri())
    text = tab.run("document.getElementById('map').innerText")
    assert "on datasets whose difficulty is not known" in text
    assert "against difficulty" not in text
    assert "easy" not in text
    assert "H by dataset" in text


@pytest.mark.parametrize("few", ["one method", "one run", "no difficulty"])
def test_little_data_draws_without_complaint(tab, runs, tmp_path, few):
    measured = difficulty_frame() if few != "no difficulty" else difficulty_frame().iloc[:0]
    if few != "no difficulty":
        runs = runs[runs["method"] == "vpt"]
    if few == "one run":
        runs = runs[(runs["dataset"] == "dtd") & (runs["seed"] == 1)]
    view = site_view(PageContent(runs, measured, catalogue(), package_version="0"))
    tab.size(1440, 900)
    tab.open(render_site(view, tmp_path / "a.html").as_uri() + "#view=difficulty")
    tab.run("1")
    assert [e for e in tab.events if e["method"] in ("Log.entryAdded", "Runtime.exceptionThrown")] == []
    assert tab.run("document.querySelectorAll('#hero .wide [data-d]').length") == len(view.overviews[0].datasets)


@pytest.mark.parametrize("width", [1024, 1440])
def test_the_band_has_one_scale_and_its_marks_stand_above_their_columns(tab, url, view, width):
    tab.size(width, 900)
    tab.open(url)
    hundred, _, zero = (box.top for box in tab.boxes(".band-plot .level"))
    labels = [(box.top + box.bottom) / 2 for box in tab.boxes(".levels i")]
    assert (labels[0], labels[-1]) == pytest.approx((hundred, zero), abs=2)
    cells = gain_map(view.overviews[0], "H").zero.cells
    columns = tab.boxes(".wide-map .zero td.c")
    for dash, column, cell in zip(tab.boxes(".band-plot .dash"), columns, cells, strict=True):
        assert dash.left + dash.right == pytest.approx(column.left + column.right, abs=3)
        assert (dash.top + dash.bottom) / 2 == pytest.approx(zero + (hundred - zero) * cell.score / 100, abs=1)


def test_one_sign_has_one_meaning(first):
    """Blue is better than zero-shot and orange worse; nothing else of the first screen is orange."""
    first.run("document.documentElement.style.setProperty('--loss', 'rgb(1, 2, 3)')")
    assert {colour for (colour,) in first.styles(".band-plot .dash", "stroke")} == set(first.run(INKS))
    marks = ".band-plot circle.loss, .band-plot .stem.loss, .key-disc.loss"
    assert first.run(COLOURED.format("rgb(1, 2, 3)")) == len(first.boxes(marks))


INKS = "[getComputedStyle(document.body).color]"
COLOURED = """[...document.querySelectorAll('.first *')].filter((node) => {{
    const style = getComputedStyle(node);
    const parts = [style.backgroundColor, ...(node.ownerSVGElement ? [style.fill, style.stroke] : [style.color])];
    return node.checkVisibility() && parts.includes('{}');
}}).length"""
TYPE = """(() => {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = [new Set(), new Set()];
    while (walker.nextNode()) {
        const parent = walker.currentNode.parentElement;
        if (!walker.currentNode.textContent.trim() || parent.closest('script, style, .sr, .skip, .part')) continue;
        const { top, height } = parent.getBoundingClientRect();
        if (!parent.checkVisibility() || !height || top > 900) continue;
        const style = getComputedStyle(parent);
        found[0].add(style.fontSize);
        found[1].add(style.fontWeight);
    }
    return found.map((one) => [...one]);
})()"""


def test_the_first_screen_has_four_sizes_and_two_weights(first):
    sizes, weights = first.run(TYPE)
    assert len(sizes) <= 4, sizes
    assert sorted(weights) == ["400", "700"]


CONTRASTS = """(() => {
    const light = (colour) => {
        const parts = colour.match(/[.\\d]+/g).slice(0, 3).map((part) => part / 255);
        const [r, g, b] = parts.map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const cell = document.querySelector('.wide-map tbody td.c');
    return 'l6 l5 l4 l3 l2 l1 g0 g1 g2 g3 g4 g5 g6'.split(' ').map((tone) => {
        cell.className = 'c ' + tone;
        const style = getComputedStyle(cell);
        const [one, other] = [style.color, style.backgroundColor].map(light);
        return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    });
})()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_numbers_are_readable_on_every_colour(first, scheme):
    first.emulate(scheme=scheme)
    contrasts = first.run(CONTRASTS)
    assert len(contrasts) == 13
    assert min(contrasts) >= 4.5


def test_the_first_screen_is_the_only_ranking_and_ends_with_links(first):
    assert first.texts("h1") == first.texts("#headline")
    assert first.texts("table.board") == []
    assert 1 < len(first.texts(".first > .sections a")) <= 6
    assert all(first.texts(".first > .sections span"))


HEADINGS = "[...document.querySelectorAll('h1, h2, h3, h4, h5')].map((node) => Number(node.tagName[1]))"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_level_of_headings_is_skipped_and_axe_finds_nothing(page, scheme):
    page.emulate(scheme=scheme)
    levels = page.run(HEADINGS)
    assert levels[0] == 1
    assert all(below - above <= 1 for above, below in pairwise(levels)), levels
    assert serious_findings(page) == []


def test_the_order_is_in_the_address_and_comes_back_from_it(first, tab, url):
    names = ".wide-map tbody .method"
    before = first.texts(names)
    first.run("document.querySelector('.wide-map th.time button').click()")
    after, address = first.texts(names), first.run("location.href")
    assert after != before
    assert set(after) == set(before)
    assert "sort=" in address
    tab.open("about:blank")
    tab.open(address)
    assert tab.texts(names) == after
    tab.run("location.hash = 'method=apex'")
    tab.wait("!document.getElementById('page').hidden")
    tab.run("history.back()")
    tab.wait("document.getElementById('page').hidden")
    assert tab.texts(names) == after


@pytest.mark.parametrize("form", ["CSV", "LaTeX", "Markdown"])
def test_the_copied_map_says_what_its_cells_are(first, view, form):
    select = "document.querySelector('#copy-map select')"
    text = shown_pages.copied(first, f"{select}.value = '{form}'; {select}.dispatchEvent(new Event('change'))")
    shown = gain_map(view.overviews[0], "H")
    assert text.count(", gain") == len(shown.columns)
    zero = next(line for line in text.splitlines() if "Zero-shot CLIP" in line)
    assert [cell.text.removesuffix(" %") for cell in shown.zero.cells] == re.findall(r"(?<![\d.])\d+(?![\d.])", zero)[
        -11:
    ]
    assert ("over zero-shot in points" in text) == (form != "CSV")
