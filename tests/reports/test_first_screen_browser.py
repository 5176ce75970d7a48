"""The first screen in a real browser: right at every width, true in every cell, and its choices are in the address."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from report_sample import FIXTURES, catalogue, difficulty_frame, many_methods, runs_frame, sample_site

pytest.importorskip("websocket", reason="websocket-client is not installed")
import shown_pages
from chromium import serious_findings

from bench.papers import registered
from bench.papers.published_numbers import published_difficulty, published_frame
from bench.score_texts import percent
from reports import render_site
from reports._format import points
from reports.map.gain_map import gain_map
from reports.presenters.content import PageContent
from reports.presenters.site import published_site, site_view
from reports.tables.page_table import reach_text, whole_sides

SCREENS = {320: 640, 390: 844, 768: 1024, 1024: 768, 1440: 900, 1920: 1080}
"""Heights of the screens by width."""
ROWS = ".map tbody tr[data-m]:not(.zero)"


def demo():
    runs = runs_frame()
    runs = runs.assign(recipe_name=runs["recipe_name"].where(runs["recipe_name"].isna(), "demo"))
    coop = runs[runs["method"] == "coop"]
    seen = coop.assign(method="external:Lab", run_id="lab" + coop["run_id"], uses='["validation labels"]', config="{}")
    return sample_site(pd.concat([runs, seen]))


def many():
    with many_methods(26):
        return sample_site(runs_frame(protocols=("base-to-new",)))


def wide():
    """Thirty-two datasets."""
    runs, measured, known = runs_frame(protocols=("few-shot",)), difficulty_frame(), catalogue()
    for frame, more in ((runs, []), (measured, [])):
        more += [frame.assign(dataset=frame["dataset"] + f":test={n}") for n in (10, 20)]
        if frame is runs:
            more = [one.assign(run_id=one["run_id"] + str(n)) for n, one in enumerate(more)]
            runs = pd.concat([runs, *more])
        else:
            measured = pd.concat([measured, *more])
    return site_view(PageContent(runs, measured, known, package_version="0"))


BOARDS = {
    "demo with missing runs": demo,
    "published": lambda: published_site(published_frame(), published_difficulty(), registered(), package_version="0"),
    "25 methods": many,
    "curve": lambda: sample_site(runs_frame(protocols=("few-shot",), shots=(1, 4, 16))),
    "33 datasets": wide,
    **{name: lambda name=name: sample_site(FIXTURES[name](runs_frame())) for name in ("one method", "no zero-shot")},
    "two methods": lambda: sample_site(FIXTURES["two methods"](runs_frame())),
}


@pytest.fixture(scope="module")
def urls(tmp_path_factory):
    """The address of the page of each board, which is written when it is first asked for."""
    place, written = tmp_path_factory.mktemp("boards"), {}

    def url(name):
        if name not in written:
            written[name] = render_site(BOARDS[name](), place / f"{len(written)}.html").as_uri()
        return written[name]

    return url


@pytest.fixture(scope="module")
def view():
    runs = runs_frame(shots=(4, 16))
    return sample_site(runs[~runs["method"].isin(["cocoop", "maple"])])


@pytest.fixture
def first(tab, url):
    tab.size(1440, 900)
    tab.open("about:blank")
    tab.open(url)
    return tab


FOUND = """(() => {
    const found = { texts: [], broken: [], out: [] };
    const first = document.querySelector('.first');
    const walker = document.createTreeWalker(document.querySelector('header').parentElement, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const node = walker.currentNode, parent = node.parentElement;
        if (!node.textContent.trim() || parent.closest('script, style, select, noscript, .skip, .sr')) continue;
        if (!parent.closest('.first, header') || parent.closest('[hidden]')) continue;
        if (!parent.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
        if (getComputedStyle(parent).clipPath !== 'none') continue;
        const range = document.createRange();
        for (const word of node.textContent.matchAll(/[^\\s\\u2013-]+/g)) {
            range.setStart(node, word.index);
            range.setEnd(node, word.index + word[0].length);
            const boxes = [...range.getClientRects()].filter((box) => box.width > 1);
            if (new Set(boxes.map((box) => Math.round(box.top))).size > 1) found.broken.push(word[0]);
            for (const { left, top, right, bottom } of boxes) {
                found.texts.push([word[0], left, top, right, bottom]);
                if (left < 0 || right > document.documentElement.clientWidth + 1) found.out.push(word[0]);
            }
        }
    }
    const scrolls = (node) => node.scrollWidth > node.clientWidth + 1 && getComputedStyle(node).overflowX !== 'visible';
    found.scrolls = [document.documentElement, ...first.querySelectorAll('div, table')].filter(scrolls).length;
    return found;
})()"""


def overlapping(texts):
    """Pairs of words whose boxes share more than a little in both directions."""
    found = []
    ordered = sorted(texts, key=lambda item: item[2])
    for number, (one, left, top, right, bottom) in enumerate(ordered):
        for other, other_left, other_top, other_right, other_bottom in ordered[number + 1 :]:
            if other_top >= bottom - 2:
                break
            wide = min(right, other_right) - max(left, other_left)
            high = min(bottom, other_bottom) - max(top, other_top)
            if wide > 2 and high > 2 + 0.3 * (bottom - top):
                found.append((one, other))
    return found


@pytest.mark.parametrize("width", SCREENS)
@pytest.mark.parametrize("board", BOARDS)
def test_every_board_fits_every_screen(tab, urls, board, width):
    tab.size(width, SCREENS[width])
    tab.open("about:blank")
    tab.open(urls(board))
    found = tab.run(FOUND)
    assert found["scrolls"] == 0
    assert found["out"] == []
    assert found["broken"] == []
    assert overlapping(found["texts"]) == []
    highest = 440 if width < 390 else 360
    assert tab.boxes(ROWS)[0].top <= highest
    assert len(tab.boxes(".difficulty .at")) == len(tab.boxes(".at .marks")) > 0


def test_words_that_overlap_are_found(first):
    first.run("document.getElementById('known').style.marginTop = '-30px'")
    assert overlapping(first.run(FOUND)["texts"]) != []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("board", ["demo with missing runs", "published", "25 methods"])
@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_serious_stands_in_the_way_of_any_reader(tab, urls, board, width, scheme):
    tab.size(width, SCREENS[width])
    tab.emulate(scheme=scheme)
    tab.open("about:blank")
    tab.open(urls(board))
    assert serious_findings(tab) == []
    assert shown_pages.tab_stops(tab) <= 70


def shown_overview(page, view):
    """The first screen of the setting that is chosen."""
    anchor = page.run("document.querySelector('#map').dataset.shown").split()[0]
    return next(one for one in view.overviews if one.anchor == anchor)


def plain(text):
    return " ".join(text.split())


def assert_truth(page, overview, measure):
    """Cells, group means, brackets and the chart are the numbers of the board, and so agree with one another."""
    shown, answer = gain_map(overview, measure), overview.answers[measure]
    rows = {row.key: row for row in shown.rows}
    names = {row.name: row for row in (shown.zero, *shown.rows)}
    assert page.texts(".map .method") == [row.name for row in (*shown.ordered, *shown.incomplete)]
    baseline = overview.table.baseline
    for key, gains in answer.gains.items():
        if key != baseline:
            assert [cell.text for cell in rows[key].groups] == [points(gain) for gain in gains if gain is not None]
    for row in page.run(
        "[...document.querySelectorAll('.map tbody tr[data-m]')].map((row) => ["
        "row.querySelector('.method').textContent, row.querySelector('.rank').textContent, ...[...row."
        "querySelectorAll('.c:not([colspan]), .k:not([style])')]"
        ".map((cell) => cell.textContent)])"
    ):
        name, rank, *cells = (plain(text) for text in row)
        assert rank == answer.verdict.ranks.get(names[name].key, "–")
        if names[name] is not shown.zero:
            assert cells == [cell.text for cell in (*names[name].cells, *names[name].groups)]
    table = overview.table
    for key, row in rows.items():
        for cell, column in zip(row.cells, shown.columns, strict=True):
            gain = table.mean(key, column.name, measure) - table.mean(baseline, column.name, measure)
            assert float(cell.text.replace("−", "-")) == pytest.approx(100 * gain, abs=0.056)


def assert_chart(page, overview, measure, first, second):
    """The chart has the scores of two methods at their places, and the mean difference of each group."""
    shown = gain_map(overview, measure)
    drawn = page.run(
        "[...document.querySelectorAll('.at')].map((at) => [Number(at.querySelector('circle').getAttribute('cy')),"
        " Number(at.querySelector('.dash').getAttribute('y')) + 1.5, at.querySelector('.mine').textContent,"
        " at.querySelector('.theirs').textContent, at.querySelector('.change').textContent])"
    )
    gaps = []
    for (disc, dash, mine, theirs, change), column in zip(drawn, shown.columns, strict=True):
        a, b = (100 * overview.table.mean(key, column.name, measure) for key in (first, second))
        gaps.append(a - b)
        assert [disc, dash] == pytest.approx([20 + 0.86 * (100 - score) for score in (a, b)], abs=0.06)
        assert [int(mine), int(theirs)] == pytest.approx([a, b], abs=0.51)
        assert float(change.replace("−", "-")) == pytest.approx(a - b, abs=0.056)
    groups = page.run("[...document.querySelectorAll('.large')].map((one) => one.textContent)")
    start = 0
    for group, text in zip(shown.groups, groups, strict=True):
        mean = float(text.replace("−", "-"))
        assert mean == pytest.approx(sum(gaps[start : start + group.size]) / group.size, abs=0.056)
        start += group.size


def test_the_first_screen_is_true_with_every_score_and_without_scripts(first, view, url):
    overview = shown_overview(first, view)
    assert_truth(first, overview, "H")
    assert_chart(first, overview, "H", "apex", "zero_shot")
    shown_pages.choose(first, "#choose-measure", "new classes")
    assert_truth(first, overview, "new")
    leader, dataset = overview.answers["new"].leader, gain_map(overview, "new").columns[0].name
    assert_chart(first, overview, "new", leader, "zero_shot")
    score = overview.board.score(leader, dataset, "new")
    tip = first.run(f"document.querySelector('{ROWS} td.c').title")
    assert tip == f"{percent(score.mean)} {reach_text(whole_sides(score))} %, 3 runs"
    first.scripts(False)
    first.open("about:blank")
    first.open(url)
    assert_truth(first, overview, "H")
    assert_chart(first, overview, "H", "apex", "zero_shot")


def test_ranks_are_brackets_until_another_column_orders_the_rows(tab, urls):
    tab.size(1440, 900)
    tab.open(urls("25 methods"))
    numbers = "[...document.querySelectorAll('.map tbody .rank span')]{}.map((one) => one.textContent)"
    visible = numbers.format(".filter((one) => getComputedStyle(one).clipPath === 'none')")
    ranks = tab.run(numbers.format(""))
    assert tab.run(visible) == [
        rank for at, rank in enumerate(ranks) if at == 0 or ranks[at - 1] != rank or rank == "–"
    ]
    tab.run("document.querySelector('.map th.time button').click()")
    assert "sort=" in tab.run("location.hash")
    assert len(tab.run(visible)) == len(ranks)
    times = [float(text) for text in tab.texts(f"{ROWS}:not(.incomplete) .time")]
    assert times == sorted(times)


CELLS = """((row) => {
    const light = (colour) => {
        const parts = colour.match(/[.\\d]+/g).slice(0, 3).map((part) => part / 255);
        const [r, g, b] = parts.map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const shaded = (cell) => cell.checkVisibility() && /\\b[gl]\\d\\b/.test(cell.className);
    return [...row.querySelectorAll('td')].filter(shaded).map((cell) => {
        const { color, backgroundColor } = getComputedStyle(cell);
        const [one, other] = [color, backgroundColor].map(light);
        return [color, backgroundColor, (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05)];
    });
})"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [600, 1440])
def test_a_row_under_the_pointer_keeps_its_colours_and_is_in_the_chart(first, view, scheme, width):
    first.size(width, 1000)
    first.emulate(scheme=scheme)
    row = f"document.querySelectorAll('{ROWS}')[2]"
    first.run(f"{row}.scrollIntoView({{ block: 'center', behavior: 'instant' }})")
    first.move(1, 1)
    before = first.run(f"{CELLS}({row})")
    box = first.boxes(f"{ROWS} th")[2]
    first.move(box.left + 5, (box.top + box.bottom) / 2)
    first.wait(f"{row}.matches(':hover')")
    assert first.run(f"{CELLS}({row})") == before
    assert len(before) > 1
    assert min(contrast for _, _, contrast in before) >= 4.5
    overview = shown_overview(first, view)
    assert_chart(first, overview, "H", gain_map(overview, "H").rows[2].key, "zero_shot")


MARKS = """[...document.querySelectorAll('.at')].map((at) =>
    [at.querySelector('.dataset').textContent, at.getBoundingClientRect().left])"""


def test_all_choices_are_in_the_address_and_back_undoes_one(first, view, url):
    wanted = {"measure": "new classes", "a": "CoOp", "b": "VPT", "x": "by zero-shot error"}
    for name, text in wanted.items():
        shown_pages.choose(first, f"#choose-{name}", text)
    chosen = (
        "Object.fromEntries(['measure', 'a', 'b', 'x'].map((name) => [name, "
        "document.querySelector(`#choose-${name}`).selectedOptions[0].text]))"
    )
    places = "[...document.querySelectorAll('.map .heads th.name')].map((one) => one.textContent)"
    order = first.run(places)
    assert order[0] == "Oxford Pets", "zero-shot CLIP is most often right there"
    at = [box.left for box in first.boxes(".map .heads th.name")]
    marks = {node[0]: node[1] for node in first.run(MARKS)}
    assert [marks[title] for title in order] == pytest.approx(at, abs=3)
    assert re.search(r"Difference [+−]\d", first.texts(".pair")[0])
    assert first.texts(".group") == []
    address = first.run("location.href")
    first.open("about:blank")
    first.open(address)
    assert first.run(chosen) == wanted
    assert first.run(places) == order
    for facet, text in (("Shots", "4 shots"), ("Protocol", "Few-shot")):
        shown_pages.choose(first, f"#chooser select[aria-label={facet}]", text)
        assert {**wanted, "measure": first.run(chosen)["measure"]} == first.run(chosen)
    first.run("history.back()")
    first.wait(
        "document.querySelector('#chooser select[aria-label=Protocol]').selectedOptions[0].text === 'Base-to-new'"
    )
    overview = shown_overview(first, view)
    shown_pages.choose(first, "#choose-x", "from easy to hard (transfer difficulty)")
    shown_pages.choose(first, "#choose-measure", "new classes")
    assert_chart(first, overview, "new", "coop", "vpt")


@pytest.mark.parametrize("sort", ["99", "-99", "abc", "length"])
def test_an_address_with_a_column_that_the_table_lacks_shows_it_as_it_is(first, url, sort):
    order = first.texts(ROWS)
    first.open("about:blank")
    first.open(f"{url}#sort={sort}")
    assert first.texts(ROWS) == order
    assert first.texts(".map [aria-sort]") == []


def test_families_and_inputs_can_be_chosen_among_many_methods(tab, first, urls):
    assert first.boxes("#choose-family, #choose-inputs") == []
    tab.open(urls("published"))
    before = len(tab.boxes(ROWS))
    (divider, *_) = tab.boxes(".map .split")
    others = tab.boxes(f"{ROWS}.other")
    assert others
    assert all(box.top >= divider.bottom for box in others)
    assert set(tab.texts(f"{ROWS}.other abbr")) <= set(tab.texts(".map .split abbr"))
    assert all(tab.texts(f"{ROWS} .score"))
    shown_pages.choose(tab, "#choose-inputs", "labelled images only")
    assert tab.boxes(f"{ROWS}.other") == []
    assert tab.boxes(ROWS)
    assert "inputs=labelled" in tab.run("location.hash")
    shown_pages.choose(tab, "#choose-inputs", "all inputs")
    assert len(tab.boxes(ROWS)) == before
    tab.run("document.querySelector('[data-more]').click()")
    assert len(tab.boxes(ROWS)) > before
    assert "rows=ranked" in tab.run("location.hash")


@pytest.mark.parametrize("form", ["CSV", "LaTeX", "SVG"])
def test_a_download_is_what_export_writes(first, view, form):
    anchor = first.run("document.querySelector('#map').dataset.shown").split()[0]
    board = next(one for one in view.boards if one.anchor == anchor)
    first.run(
        "window.saved = []; URL.createObjectURL = (blob) => { blob.text().then((text) => window.saved.push(text));"
        " return '#'; }; HTMLAnchorElement.prototype.click = function () { window.named = this.download; }"
    )
    first.run(
        f"[...document.querySelectorAll('#downloads button')].find((one) => one.textContent === '{form}')"
        ".dispatchEvent(new MouseEvent('click'))"
    )
    first.wait("window.saved.length === 1")
    text = first.run("window.saved[0]")
    if form == "SVG":
        assert text.startswith("<svg ")
        assert all(
            row.name in text for row in gain_map(next(o for o in view.overviews if o.anchor == anchor), "H").rows
        )
    else:
        assert text == board.exports[form]
    assert first.run("window.named").startswith(anchor)


def test_sizes_and_weights_are_few(first):
    styles = first.run(
        "[...document.querySelectorAll('.first *')].filter((node) => node.checkVisibility() && "
        "[...node.childNodes].some((one) => one.nodeType === 3 && one.textContent.trim()))"
        ".map((node) => [getComputedStyle(node).fontSize, getComputedStyle(node).fontWeight])"
    )
    assert len({size for size, _ in styles}) <= 4
    assert len({weight for _, weight in styles}) <= 2
    words = first.run(
        "['headline', 'known', 'take', 'small-print'].map((id) => document.getElementById(id).innerText).join(' ')"
    )
    assert len(words.split()) <= 90
