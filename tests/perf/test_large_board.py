"""The board that is measured is a real one: its submissions are accepted."""

from pathlib import Path

from large_board import SEEDS, SUBMISSIONS, submitted_methods, write_submission

from bench.extensions.boards.check import Checks


def test_submissions_of_the_measured_board_are_accepted(tmp_path: Path) -> None:
    methods = submitted_methods()
    assert len(set(methods)) == SUBMISSIONS
    assert SUBMISSIONS * (11 * SEEDS + 2) == 5010
    checks = Checks(tmp_path / "runs", None)
    reports = [
        checks.add(write_submission(tmp_path, number, methods[number], images=2, seeds=1, datasets=2))
        for number in (0, 1)
    ]
    assert [(report.refusals, len(report.added)) for report in reports] == [((), 4), ((), 4)]
