"""The page of a board in a browser: its title, badges instead of repeated sentences, and accessibility."""

from __future__ import annotations

import pytest

pytest.importorskip("websocket", reason="websocket-client is not installed")
from chromium import serious_findings
from simulated_submissions import FACTS, Draft, simulated_run, state_repeated

from bench.extensions.boards import build_board


@pytest.fixture(scope="module")
def page(tmp_path_factory, only_tab):
    place = tmp_path_factory.mktemp("board")
    (place / "README.md").write_text("# Small towers <first>\n\n# Another heading\n")
    first = [simulated_run(seed=seed) for seed in (1, 2, 3)]
    second = [*(simulated_run("clip_adapter", seed) for seed in (1, 2, 3)), simulated_run("zero_shot")]
    thanks = FACTS.model_copy(update={"notes": "With thanks."})
    for name, runs, facts in (("one", first, thanks), ("two", second, FACTS)):
        outcomes = {record.run_id: "rounding" for record, _ in runs}
        state_repeated(Draft(runs, facts).write(place / "submissions" / name), outcomes)
    path, _ = build_board(place / "submissions", place / "site", images=False)
    only_tab.reset()
    only_tab.size(1440, 900)
    only_tab.open(path.as_uri())
    return only_tab


def test_the_title_of_the_readme_heads_the_page(page):
    assert page.run("document.querySelector('.brand').innerText") == "Small towers ‹first›"
    assert page.run("document.title") == "Small towers ‹first›"


def test_what_all_runs_pass_is_a_badge_and_only_the_rest_is_a_sentence(page):
    badges = """[...document.querySelectorAll('#submissions-table tbody tr')].map((row) =>
        [...row.querySelectorAll('.badge')].map((node) => node.textContent))"""
    assert page.run(badges) == [["images equal", "published"]] * 2
    notes = "[...document.querySelectorAll('#submissions-notes tbody tr')].map((row) => row.innerText)"
    assert [text.split() for text in page.run(notes)] == [
        ["one", "note", "of", "the", "submitters:", "With", "thanks."]
    ]


@pytest.mark.parametrize("width", [390, 800, 1024, 1400])
def test_every_row_of_the_map_shows_its_whole_mark(page, width):
    page.size(width, 900)
    marks = page.texts(".map th .label")
    assert sorted({mark for mark in marks if mark.startswith("by ")}) == [f"by {FACTS.who}"]
    repeated = sorted(mark for mark in marks if not mark.startswith("by "))
    assert repeated == [f"repeated here: {n} of {n}, within rounding" for n in (1, 3, 3)]
    cells = "[...document.querySelectorAll('.map th:has(.label)')]"
    assert page.run(f"{cells}.filter((cell) => cell.scrollWidth > cell.clientWidth).length") == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1440])
def test_no_serious_accessibility_finding(page, scheme, width):
    page.size(width, 900)
    page.emulate(scheme=scheme)
    page.run("document.querySelectorAll('details').forEach((card) => { card.open = true; })")
    loading = "[...document.querySelectorAll('.block, .body')].some((place) => place.textContent.startsWith('Loading'))"
    page.wait(f"!{loading}")
    assert serious_findings(page) == []
    page.wait(f"document.documentElement.scrollWidth <= {width}")
