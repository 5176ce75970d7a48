"""What a reader takes along: citations, tables and addresses."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from report_sample import METHODS, runs_frame, sample_site

pytest.importorskip("websocket", reason="websocket-client is not installed")
from shown_pages import copied, open_leaderboard

import reports
from bench.analysis import board_verdicts, leaderboard_table
from bench.analysis.leaderboard_building import build_leaderboards
from reports import render_site


@pytest.fixture(scope="module")
def runs():
    return runs_frame()


@pytest.fixture(scope="module")
def view(runs):
    return sample_site(runs)


@pytest.fixture(scope="module")
def url(view, tmp_path_factory):
    return render_site(view, tmp_path_factory.mktemp("site") / "index.html").as_uri()


def opened(tab, url):
    tab.size(1400, 1000)
    tab.open("about:blank")
    tab.open(url)
    tab.run("document.documentElement.style.scrollBehavior = 'auto'")
    return tab


@pytest.fixture
def page(tab, url):
    return opened(tab, url)


def test_the_citations_of_the_shown_methods_are_copied(page):
    open_leaderboard(page)
    click = "document.querySelector('#leaderboard [data-format=BibTeX]').click()"
    citations = copied(page, click)
    assert {f"@inproceedings{{{name}, title" in citations for name in METHODS} == {True}
    page.run("""document.querySelector('#leaderboard .chip[data-filter="text prompt"]').click()""")
    entries = copied(page, click).strip().split("\n\n")
    assert sorted(entry.split("{")[1].split(",")[0] for entry in entries) == ["cocoop", "coop"]


def texts_of(page, place):
    """The texts that the buttons of a table copy."""
    texts = {}
    for form in ("CSV", "LaTeX", "Markdown"):
        texts[form] = copied(page, f"{place}.querySelector('.copies [data-format={form}]').click()")
        page.wait(f"{place}.querySelector('[role=status]').textContent === '{form} copied'")
    return texts


def test_every_heading_of_the_front_page_has_a_link_to_itself(page):
    missing = """[...document.querySelectorAll('#front section.part :is(h2, h4)')].filter((node) => {
        const link = node.querySelector('a.self');
        return !link || !document.getElementById(link.getAttribute('href').slice(1));
    }).map((node) => node.textContent)"""
    assert page.run(missing) == []


def test_what_is_copied_is_what_export_writes(page, runs, view):
    """The text that reaches the clipboard, and the numbers in it."""
    open_leaderboard(page)
    texts = texts_of(page, "document.querySelector('#leaderboard table.board').closest('.table')")
    board = build_leaderboards(runs)[0]
    titles = view.boards[0].catalogue.board_titles(board)
    verdicts = board_verdicts(board)
    table = leaderboard_table(board, verdicts, titles)
    assert texts == {"CSV": table.csv(), "LaTeX": table.latex(), "Markdown": table.markdown()}
    rows = list(csv.DictReader(io.StringIO(texts["CSV"])))
    cells = page.texts("#leaderboard table.board tbody td.key .mean")
    assert [100 * float(row["H"]) for row in rows] == pytest.approx([float(text) for text in cells], abs=0.0051)


def test_any_table_is_copied_as_it_is_shown(page):
    place = "document.querySelector('[data-section=head_to_head] .table')"
    texts = texts_of(page, place)
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
