"""No two statements of a screen disagree: each is read back and compared with the one record."""

from __future__ import annotations

import re

import numpy as np
import pytest
from markupsafe import Markup
from report_sample import FIXTURES, catalogue, difficulty_frame, runs_frame, sample_site

from bench.analysis import FEWEST_ELSEWHERE, Certainty
from bench.papers.published_numbers import published_difficulty, published_frame
from reports.map.gain_map import gain_map
from reports.page_data import page_data
from reports.presenters.content import PageContent
from reports.presenters.site import published_site, site_view
from reports.verdict_sentences import headline


def random_runs(runs, seed: int):
    """Some of the methods, datasets and seeds."""
    draw = np.random.default_rng(seed)

    def some(values, least: int):
        values = sorted(values)
        return draw.choice(values, size=draw.integers(least, len(values) + 1), replace=False)

    few = runs["method"].isin(some(set(runs["method"]), 1)) & runs["dataset"].isin(some(set(runs["dataset"]), 1))
    return runs[few & (runs["seed"].isin(some({1, 2, 3}, 1)) | (runs["seed"] == 0))]


@pytest.fixture(scope="module")
def runs():
    return runs_frame(protocols=("base-to-new",))


def ends(text: str, what: str) -> list[float] | None:
    """The two ends of the interval that follows some words, in points."""
    found = re.search(rf"\b{what} ([−+]?\d+\.\d) to ([−+]?\d+\.\d)", text)
    return None if found is None else [float(end.replace("−", "-")) for end in found.groups()]


def points_of(test) -> object:
    return pytest.approx([100 * test.low, 100 * test.high], abs=0.0551)  # rounded from hundredths


def check_headline(told, first: str, more: str) -> None:
    finding = told.judgement_here if told.n_seeds else told.judgement_elsewhere
    leads = told.leader != told.baseline
    if told.reference is None or not leads:
        assert not re.search(r"beats|shown", first + more)
        return
    clear = told.clear_gains
    assert ("is not shown to beat" in first) <= (finding.known is Certainty.OPEN and not (clear and told.n_seeds))
    assert ("beats" in first) <= (finding.known is Certainty.CLEAR or bool(clear))
    if finding.known is Certainty.CLEAR:
        assert "beats" in first
    if finding.known is Certainty.UNKNOWN:
        assert "not tested" in more
    few = told.may_match_here if told.n_seeds else told.may_be_best_elsewhere
    if named := re.search(r"(.*) may be as good", more):
        assert re.match(r"\d", named[1]) or len(few) == 1 + named[1].count(" and ") or "other" in named[1]
    if counts := re.search(r"Of the (\d+) methods with equal inputs, (\d+) may be", more):
        assert [int(counts[1]), int(counts[2])] == [len(told.others) + 1, len(few) + 1]
    if counts := re.search(r"(\d+) of the (\d+) others?", more):
        assert [int(counts[1]), int(counts[2])] == [len(few), len(told.others)]


def check_known(told, text: str, first: str, names) -> None:
    """The line below the headline has both intervals of the method that the headline names."""
    if told.reference is None or told.leader == told.baseline:
        return
    named = [key for key in told.ranked if first.startswith(f"{names[key]} ")] or [told.leader]
    subject = max(named, key=lambda key: len(names[key]))
    for what, test in (
        ("here:", told.on_these(subject, told.reference) if told.n_seeds else None),
        ("elsewhere:", told.on_others(subject, told.reference)),
    ):
        found = ends(text, what)
        assert (found is None) == (test is None or test.low is None)
        assert found is None or found == points_of(test)
        assert found is None or (f"Sure {what}" in text) == test.clear
    assert ("cannot tell about others" in text) == (0 < told.n_datasets < FEWEST_ELSEWHERE and told.n_seeds > 0)


def check_ranks(told) -> None:
    """Ranks, counts and clear differences are the same statement; too few seeds and published numbers have no ranks."""
    assert bool(told.ranks) == (
        told.leader is not None and (told.n_seeds > 2 or (told.n_seeds > 0 and not told.trained))
    )
    if not told.ranks:
        return
    for key in told.ranked:
        better = sum(
            (test := told.on_these(other, key)) is not None and test.clear and test.mean > 0
            for other in told.ranked
            if other != key
        )
        assert int(told.ranks[key].split("–")[0]) >= 1 + better
    bounds = [[int(told.ranks[key].split("–")[end]) for key in told.ranked] for end in (0, -1)]
    assert bounds == [sorted(ends) for ends in bounds], "a higher mean has no worse bound"
    if told.here:
        open_ = {key for key in told.others if told.ranks[key].split("–")[0] == "1"}
        assert open_ <= set(told.may_match_here)


def check_gains(told, rows) -> None:
    """The gain of a row and both its intervals are those of one test, whatever the H of its averages is."""
    for row in rows:
        for test, shown in (
            (told.on_these(row.key, told.baseline), row.strip and row.strip.here),
            (told.on_others(row.key, told.baseline), row.strip and row.strip.elsewhere),
        ):
            if test is None or row.strip is None:
                continue
            assert row.strip.mean == pytest.approx(100 * test.mean)
            assert (shown is None) == (test.low is None)
            assert shown is None or shown == pytest.approx((100 * test.low, 100 * test.high))


def check(site) -> int:
    """Every state of a page; returns how many there were."""
    states = 0
    data, _ = page_data(site, 0) if site.overviews else ({"settings": {}}, {})
    for view in site.overviews:
        board = next((board for board in site.boards if board.anchor == view.anchor), None)
        for measure, found in view.answers.items():
            told, states = found.verdict, states + 1
            said = headline(view, measure)
            check_headline(told, said.sentence, said.more)
            check_ranks(told)
            on_page = data["settings"][view.anchor]
            shown = on_page["answers"][measure]
            assert shown["headline"].replace("\u00a0", " ") == said.claim
            known = Markup(shown["known"]).striptags().replace("\u00a0", " ")
            check_known(told, known, said.claim, view.names)
            mapped = gain_map(view, measure)
            if told.baseline is not None:
                check_gains(told, mapped.rows)
            if board is not None:
                assert told is board.verdicts[measure]
                shown = {row.key: row.rank for row in filter(None, (mapped.zero, *mapped.rows))}
                assert shown == {entry.key: told.ranks.get(entry.key, "–") for entry in board.board.entries}
    return states


@pytest.mark.parametrize("name", FIXTURES)
def test_no_two_statements_of_a_sample_page_disagree(runs, name):
    site = sample_site(FIXTURES[name](runs))
    assert check(site) >= 3


@pytest.mark.parametrize("seed", range(12))
def test_no_two_statements_of_a_random_board_disagree(runs, seed):
    check(sample_site(random_runs(runs, seed)))


def test_no_two_statements_of_the_published_page_disagree():
    site = published_site(published_frame(), published_difficulty(), catalogue(), package_version="0")
    assert check(site) > 10


@pytest.mark.parametrize("protocol", ["few-shot", "cross-dataset"])
def test_no_two_statements_of_other_protocols_disagree(protocol):
    content = PageContent(runs_frame(protocols=(protocol,)), difficulty_frame(), catalogue(), package_version="0")
    assert check(site_view(content)) >= 1
