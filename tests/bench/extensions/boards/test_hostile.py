"""Every hostile submission is refused for its reason, and nothing of it is written or executed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hostile_submissions import HOSTILE
from simulated_submissions import Draft

from bench.extensions.boards.check import KNOWN_WEIGHTS, Checks
from methods import parse_backbone


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_submission_is_refused_for_its_reason(tmp_path: Path, what: str) -> None:
    hostile = HOSTILE[what]
    folder = tmp_path / "submissions" / "lab"
    hostile.write(folder)
    before = sorted(tmp_path.rglob("*"))
    report = Checks(tmp_path / "runs", None).add(folder.with_name(hostile.name))
    assert not report.accepted
    assert hostile.said in " | ".join(report.refusals)
    assert all(text.isprintable() and len(text) < 1500 and "<script" not in text for text in report.refusals)
    assert sorted(tmp_path.rglob("*")) == before


def test_there_are_thirty_kinds_and_more() -> None:
    assert len(HOSTILE) >= 30


def test_a_submission_that_adds_nothing_is_refused(tmp_path: Path) -> None:
    checks = Checks(tmp_path / "runs", None)
    reports = [checks.add(Draft().write(tmp_path / "submissions" / name)) for name in ("first", "second")]
    assert [report.accepted for report in reports] == [True, False]
    assert reports[1].refusals == ("all of its runs are on the board already, so it adds nothing",)


def test_the_known_weights_are_those_of_the_included_backbone() -> None:
    from methods import load_backbone

    ((slug, digest),) = KNOWN_WEIGHTS.items()
    assert load_backbone(parse_backbone(slug)).digest == digest
