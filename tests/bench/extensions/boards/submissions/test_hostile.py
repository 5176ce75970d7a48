"""Every hostile submission is refused for its reason, and nothing of it is written or executed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hostile_submissions import HOSTILE
from simulated_submissions import Draft

from bench.extensions.boards.comparison import compare_with_others
from bench.extensions.boards.submissions.check import Checks


@pytest.fixture(scope="module")
def checks() -> Checks:
    return Checks(None)


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_submission_is_refused_for_its_reason(tmp_path: Path, checks: Checks, what: str) -> None:
    hostile = HOSTILE[what]
    folder = tmp_path / "submissions" / "lab"
    hostile.write(folder)
    before = sorted(tmp_path.rglob("*"))
    report = compare_with_others(checks.own(folder.with_name(hostile.name)), ())
    assert not report.accepted
    assert hostile.said in " | ".join(report.refusals)
    assert all(text.isprintable() and len(text) < 1500 and "<script" not in text for text in report.refusals)
    assert sorted(tmp_path.rglob("*")) == before


def test_there_are_thirty_kinds_and_more() -> None:
    assert len(HOSTILE) >= 30


def test_a_submission_that_adds_nothing_is_refused(tmp_path: Path, checks: Checks) -> None:
    found = [checks.own(Draft().write(tmp_path / "submissions" / name)) for name in ("first", "second")]
    report = compare_with_others(found[1], found[:1])
    assert report.refusals == ("all of its runs are on the board already, so it adds nothing",)
