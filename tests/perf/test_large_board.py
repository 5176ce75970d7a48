"""The board that is measured is a real one: its submissions are accepted."""

from pathlib import Path

from large_board import SEEDS, SUBMISSIONS, submitted_methods, write_submission

from bench.extensions.boards.comparison import compare_with_others
from bench.extensions.boards.submissions.check import Checks


def test_submissions_of_the_measured_board_are_accepted(tmp_path: Path) -> None:
    methods = submitted_methods()
    assert len(set(methods)) == SUBMISSIONS
    assert SUBMISSIONS * (11 * SEEDS + 2) == 5010
    checks = Checks(None)
    first, second = (
        checks.own(write_submission(tmp_path, number, methods[number], images=2, seeds=1, datasets=2))
        for number in (0, 1)
    )
    report = compare_with_others(second, [first])
    assert report.refusals == ()
    assert report.own.runs is not None
    assert len(report.own.runs) == 4
