"""The answer line: it agrees with the leaderboard, names its scope, and says no more than was tested."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from report_sample import FIXTURES, catalogue, difficulty_frame, provenance_frame, runs_frame, sample_site

from bench.analysis import FEWEST_ELSEWHERE, board_rows, difficulty_trend
from bench.analysis.measures import HConvention
from bench.papers.claims import load_claims
from bench.papers.published_numbers import published_difficulty, published_frame
from reports import render_site
from reports.page_data import facts_line
from reports.parts.leaderboard import note_text
from reports.presenters.site import published_site
from reports.sentences import (
    answer_lines,
    caveats,
    failed_runs,
    first_shown,
    missing_runs,
    scope_link,
    small_print,
    take,
)
from reports.verdict_sentences import headline, known_lines


def overview_of(runs, difficulty=None):
    measured = difficulty_frame() if difficulty is None else difficulty
    site = sample_site(runs, measured)
    return site, site.overviews[0]


@pytest.fixture(scope="module")
def runs():
    return runs_frame(protocols=("base-to-new",))


@pytest.mark.parametrize("name", FIXTURES)
def test_the_leader_of_the_headline_is_the_first_row_of_the_board(runs, name):
    site, view = overview_of(FIXTURES[name](runs))
    board, measure = site.boards[0], view.table.measures[-1]
    text = headline(view, measure).sentence
    if board.verdict.leader is None:
        assert name == "nothing shared"
        assert text == "No method has a score for every dataset and seed, so none leads yet."
        return
    first = board.board.entries[0]
    assert first.key == board.verdict.leader == view.answers["H"].leader
    assert view.names[first.key] in text or first.key == view.table.baseline


@pytest.mark.parametrize("name", FIXTURES)
def test_there_is_one_answer_or_none(runs, name):
    _, view = overview_of(FIXTURES[name](runs))
    baseline = view.table.baseline
    for measure in view.table.measures:
        found = view.answers[measure]
        pick, text = found.advice, take(view, measure).striptags()
        assert (pick is not None) == (baseline is not None and len(found.verdict.ranked) > 2 and found.lead.n > 1)
        assert bool(text) == (pick is not None and pick.n >= FEWEST_ELSEWHERE)
        if text.startswith("If in doubt"):
            assert view.names[baseline if pick.method == baseline else found.leader] in text
        assert not text or f"lost on {pick.below} of {found.lead.n}" in text


def test_a_gain_of_one_dataset_and_a_choice_among_settings_on_test_images_are_named(runs):
    _, view = overview_of(runs)
    found = view.answers["H"]
    lead = replace(found.lead, mean=0.012, without=("eurosat", -0.001))
    here = {pair: replace(test, low=-0.1, high=0.1) for pair, test in found.verdict.here.items()}
    told = replace(found.verdict, here=here)
    view = replace(view, answers=view.answers | {"H": replace(found, lead=lead, verdict=told)})
    assert headline(view, "H").more == "It leads by 1.2 points, all of it on EuroSAT."
    chosen = replace(view, answers={"H": replace(found, verdict=replace(found.verdict, variants=3))})
    assert "best of 3 settings of its method on these test images" in known_lines(chosen, "H")
    assert "settings" not in known_lines(view, "H")


RISING = difficulty_trend.Trend(slope=0.02, low=0.01, high=0.03, intercept=0.0, n=11, r2=0.5)
CONCLUSIONS = {  # the end of the sentence -> the line over all datasets
    "the gain rises with difficulty (11 datasets)": RISING,
    "the gain rises with difficulty (11 datasets); without EuroSAT that is not clear": replace(
        RISING, carrier="eurosat"
    ),
    "the gain falls with difficulty (11 datasets)": replace(RISING, low=-0.03, high=-0.01),
    "it is not clear that the gain changes with difficulty, as it varies too much among these datasets": replace(
        RISING, low=-0.01
    ),
    "no trend is shown": None,
}


@pytest.mark.parametrize("end", CONCLUSIONS)
def test_one_conclusion_is_stated_about_difficulty(runs, end):
    _, view = overview_of(runs)
    groups = replace(view.answers["H"].groups, trend=CONCLUSIONS[end], on_easy=0.01, on_medium=-0.04, on_hard=0.05)
    view = replace(view, answers=view.answers | {"H": replace(view.answers["H"], groups=groups)})
    assert small_print(view, "H").striptags().startswith(f"{end[0].upper()}{end[1:]}.")


def test_missing_and_failed_runs_are_counted_once_with_the_right_plurals(runs):
    _, view = overview_of(runs)
    assert missing_runs(view).striptags() == (
        "2 of 242 runs are missing: MaPLe on SUN397 (seed 2) and CoCoOp on ImageNet (seed 3). "
        "2 of 8 methods have missing runs and are not ranked."
    )
    assert failed_runs(view).striptags().startswith("1 run failed: CUDA out")
    _, one = overview_of(runs[runs["method"] != "maple"])
    assert missing_runs(one).striptags() == (
        "1 of 209 runs is missing: CoCoOp on ImageNet (seed 3). 1 of 7 methods has missing runs and is not ranked."
    )
    assert failed_runs(one) == ""


def test_a_dataset_without_difficulty_stays_in_the_answer_and_is_hard(runs):
    """Zero-shot never right: no difficulty is defined, and the dataset is still among the hardest."""
    measured = difficulty_frame()
    here = measured["dataset"] == "fgvc_aircraft"
    measured = measured[~(here & measured["measure"].str.startswith("relative"))]
    measured.loc[(measured["dataset"] == "fgvc_aircraft") & (measured["measure"] == "zero_shot_accuracy"), "value"] = (
        0.0
    )
    _, view = overview_of(runs, measured)
    assert view.groups[2][-1] == "fgvc_aircraft"
    assert "fgvc_aircraft" not in view.answers["H"].difficulty["relative_transfer_difficulty"]
    assert len(view.datasets) == 11


def test_published_numbers_have_no_interval_over_seeds():
    site = published_site(published_frame(), published_difficulty(), catalogue(), package_version="0")
    view = site.overviews[0]
    text = small_print(view, "H").striptags()
    assert "over seeds" not in text
    assert "One published value for each method" in text
    board = site.published_boards[0].board
    rows = [row for row in board.rows if row.complete and "H" in row.averages]
    best = max(rows, key=lambda row: row.averages["H"])
    assert view.names[view.answers["H"].leader] == catalogue().row_title(best.method, best.label)
    assert len(set(view.names.values())) == len(view.names), "one row a method"


def visible(text):
    """The text of the content, without scripts and tags."""
    content = text[text.index("<body>") :]
    return re.sub(r"<[^>]+>", "", re.sub(r"<script.*?</script>", "", content, flags=re.DOTALL))


def test_one_of_anything_is_singular(tmp_path):
    runs = runs_frame(protocols=("base-to-new",), shots=(1,))
    one = runs[(runs["method"] == "vpt") & (runs["dataset"] == "dtd") & (runs["seed"] == 1)]
    for chosen in (one, runs[runs["method"].isin(["vpt", "zero_shot"]) & (runs["dataset"] == "dtd")]):
        made = provenance_frame(chosen)
        view = sample_site(chosen, claims=load_claims(), made=made)
        text = visible(render_site(view, tmp_path / "a.html").read_text("utf-8"))
        assert "1 shot" in text
        assert re.findall(r"(?<![\d.,–-])1 (?:more )?\w+s\b(?<!class)(?<! is)(?<! has)", text) == []


SMALL = {  # what a page with little on it says, and the command that adds what is missing
    "one run": (
        FIXTURES["one run"],
        ["VPT is the only complete method", "run -m vpt,zero_shot ...", "run -d DATASET ..."],
    ),
    "one method": (FIXTURES["one method"], ["A comparison needs a second method: etl-bench run -m vpt,zero_shot ..."]),
    "one dataset": (FIXTURES["one dataset"], ["needs more of them: etl-bench run -d DATASET ..."]),
    "one seed": (FIXTURES["one seed"], ["there are no ranks: use --seeds 3."]),
    "no zero-shot": (FIXTURES["no zero-shot"], ["Gains need zero-shot CLIP: etl-bench run -m zero_shot ..."]),
    "nothing shared": (
        FIXTURES["nothing shared"],
        ["No method has a score for every dataset and seed", "run -m zero_shot"],
    ),
    "all failed": (
        lambda runs: runs.assign(status="failed", split=None, accuracy=float("nan"), error_message="out of memory"),
        ["No run has a score yet", "out of memory", "The same etl-bench run command repeats runs that failed"],
    ),
    "not a number": (
        lambda runs: runs.assign(accuracy=runs["accuracy"].where(runs["method"] != "coop")),
        ["is not a number", "APEX beats"],
    ),
    "no runs": (lambda runs: runs.iloc[:0], ["has no runs yet. etl-bench demo makes runs in three minutes."]),
}


@pytest.mark.parametrize("name", SMALL)
def test_every_page_says_what_is_there_and_which_command_adds_what_is_missing(runs, tmp_path, name):
    make, sentences = SMALL[name]
    view = sample_site(make(runs))
    assert (name == "no runs") == (view.overviews == ())
    text = visible(render_site(view, tmp_path / "a.html").read_text("utf-8"))
    for sentence in sentences:
        assert sentence in " ".join(text.split())


def test_no_verdict_is_printed_for_an_untested_claim(tmp_path, runs):
    chosen = runs[runs["method"].isin(["zero_shot", "coop", "apex"])]
    view = sample_site(chosen, claims=load_claims())
    untested = [result for result in view.claims if result.verdict == "not tested"]
    assert len(untested) > 3
    page = render_site(view, tmp_path / "a.html").read_text("utf-8")
    section = page[page.index('id="claims"') :]
    section = section[: section.index("</section>")]
    assert section.count("b-not-tested") == 0
    assert section.count('<li id="claim-') == len({result.claim.id for result in untested})
    tested = len(re.findall(r'class="badge b-(?:supported|not-supported-here|inconclusive)"', section))
    counted = [int(n) for n in re.findall(r"<b>(\d+)</b> (?:supported|not supported here|inconclusive)", section)]
    assert sum(counted) == tested == len(view.claims) - len(untested)
    assert "etl-bench run -m" in section


def test_the_lines_of_the_terminal_are_the_sentences_of_the_page(runs):
    _, view = overview_of(runs)
    first = headline(view, "H").sentence
    shown = [known_lines(view, "H"), small_print(view, "H"), missing_runs(view)]
    assert answer_lines(view) == [first, *(line.striptags() for line in shown)]
    _, one = overview_of(FIXTURES["one method"](runs))
    assert "method: `etl-bench run -m vpt,zero_shot ...`." in " ".join(answer_lines(one))


FEW = {  # rows, datasets, seeds and methods that are compared, methods that lack some, text
    "one dataset and two seeds failed": (
        lambda runs: runs[(runs["dataset"] != "imagenet") & runs["seed"].isin([0, 1])
                          | (runs["method"] == "coop") & (runs["seed"] == 2)
                          | (runs["method"] == "zero_shot") & (runs["dataset"] == "dtd")
                          | (runs["method"] == "vpt") & (runs["dataset"] == "imagenet") & (runs["seed"] == 1)],
        (10, 1, 8, ()), "Compared on the 10 datasets and 1 seed that all 8 methods have.",
    ),
    "a method barely began": (
        lambda runs: runs[runs["method"].isin(["zero_shot", "coop", "vpt"])
                          & ((runs["dataset"] != "dtd") | (runs["method"] == "zero_shot"))
                          & ((runs["method"] != "vpt") | ((runs["dataset"] == "eurosat") & (runs["seed"] == 1)))
                          | (runs["method"] == "vpt") & (runs["dataset"] == "dtd") & (runs["seed"] == 2)],
        (10, 3, 2, ("VPT",)), "Compared on the 10 datasets and 3 seeds that 2 of 3 methods have: VPT lacks some of "
                              "these runs.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FEW)
def test_methods_are_compared_on_what_they_share_and_the_line_says_so(runs, name):
    make, expected, text = FEW[name]
    site, view = overview_of(make(runs))
    common = view.board.common
    without = tuple(view.names[key] for key in common.without)
    assert (len(common.datasets), len(common.seeds), len(common.entries), without) == expected
    assert caveats(view, "H").striptags().startswith(text)
    board = site.boards[0]
    assert board.verdict.leader is not None
    assert [dataset.name for dataset in board.datasets] == list(common.datasets)
    assert len(board.board.missing) > 0
    whole = next(other for other in site.overviews if other.anchor == view.other_scope)
    assert (whole.other_scope, whole.whole, view.whole) == (view.anchor, True, False)
    assert len(whole.datasets) > len(view.datasets)
    assert scope_link(view) == f' <a href="#setting={whole.anchor}">Show all runs</a>'
    assert site.overviews[first_shown(site)] == view
    assert "not ranked" not in missing_runs(view)
    note = note_text(board, view)
    assert "Hatched: runs are missing." in note
    assert "no rank" not in note


def board_rows_without_coverage(board):
    """The rows of a board without how many runs there are of all."""
    return [{k: v for k, v in row.items() if k not in ("n", "expected", "complete")} for row in board_rows(board)]


def test_the_common_cells_give_the_numbers_of_a_board_of_these_runs_alone(runs):
    rows = FEW["one dataset and two seeds failed"][0](runs)
    site, view = overview_of(rows)
    alone, same = overview_of(rows[(rows["dataset"] != "imagenet") & rows["seed"].isin([0, 1])])
    assert view.answers == same.answers
    boards = [page.boards[0].board for page in (site, alone)]
    assert board_rows_without_coverage(boards[0]) == board_rows_without_coverage(boards[1])
    averages = [
        [board.average(e.key, m, c) for e in board.entries for m in board.measures for c in HConvention]
        for board in boards
    ]
    assert averages[0] == averages[1]
    coverage = {(entry.coverage, entry.planned) for entry in site.boards[0].board.entries}
    assert coverage == {(10, 11), (10, 22), (11, 22), (21, 22)}


def test_a_board_of_short_trainings_says_so(runs):
    trained = runs["recipe_name"].notna()
    assert "Demo" not in small_print(overview_of(runs)[1], "H")
    demo = runs.assign(recipe_name=runs["recipe_name"].where(~trained, "demo"))
    _, view = overview_of(demo)
    assert "Demo on 16 images per class" in small_print(view, "H")
    assert facts_line(view).startswith("Demo, short training: ")
    synthetic = demo.assign(dataset="spectrum_" + demo["dataset"])
    assert facts_line(overview_of(synthetic)[1]).startswith("Demo on synthetic images, short training: ")
    mixed = runs.assign(recipe_name=demo["recipe_name"].where(runs["method"] != "coop", "published"))
    assert "Demo" not in small_print(overview_of(mixed)[1], "H")


def test_a_gain_that_hangs_on_one_dataset_says_so(runs):
    chosen = runs[runs["method"].isin(["zero_shot", "coop"])].copy()
    mine = (chosen["method"] == "coop") & chosen["split"].isin(["base", "new"])
    zero = (
        chosen[chosen["method"] == "zero_shot"]
        .set_index(["dataset", "split"])["accuracy"]
        .groupby(level=[0, 1])
        .first()
    )
    keys = list(zip(chosen["dataset"], chosen["split"], strict=True))
    shifts = {"eurosat": 0.2}
    shifted = [zero.get(key, 0.0) + shifts.get(key[0], -0.005) for key in keys]
    chosen.loc[mine, "accuracy"] = pd.Series(shifted, index=chosen.index)[mine]
    _, view = overview_of(chosen)
    dataset, rest = view.answers["H"].lead.without
    assert (dataset, view.answers["H"].lead.mean > 0 > rest) == ("eurosat", True)
    assert view.answers["H"].lead.ahead == 1


def test_a_leader_in_h_of_the_means_alone_is_not_told_apart(runs):
    """As among published numbers, whose H is that of the means."""
    chosen = runs[runs["method"].isin(["coop", "apex"])].copy()
    chosen["accuracy"] = 0.7 + 0.05 * np.random.default_rng(1).standard_normal(len(chosen))
    _, view = overview_of(chosen)
    answer = view.answers["H"]
    behind = replace(answer, lead=replace(answer.lead, mean=-answer.lead.mean))
    first = headline(replace(view, answers={"H": behind}), "H")
    assert (answer.lead.mean > 0, first.claim) == (True, "APEX and CoOp are not told apart")
