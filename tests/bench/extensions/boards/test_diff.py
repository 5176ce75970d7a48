"""The text that a change of a board posts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from limited import limited

from bench.extensions.boards.errors import BoardError
from bench.extensions.boards.summary import (
    NO_CHANGE,
    SHOWN,
    BoardSummary,
    RowSummary,
    SettingSummary,
    SubmissionSummary,
    board_diff,
    read_summary,
    repeated_text,
)

LAB = SubmissionSummary(name="lab", digest="a", who="A lab", accepted=True, runs=7)


def row(entry: str, mean: float, ranks: str = "1", **changes: Any) -> RowSummary:
    values = {"low": mean - 0.01, "high": mean + 0.01, "coverage": 3, "planned": 3} | changes
    return RowSummary(entry=entry, mean=mean, ranks=ranks, **values)


def board(
    rows: list[RowSummary], separated: tuple[tuple[str, str], ...] = (), *items: SubmissionSummary
) -> BoardSummary:
    setting = SettingSummary(title="ViT, few-shot", measure="all", rows=tuple(rows), separated=separated)
    return BoardSummary(package_version="1", submissions=items or (LAB,), settings=(setting,))


def test_an_unchanged_board_says_so() -> None:
    one = board([row("coop", 0.5)])
    assert board_diff(one, one) == f"{NO_CHANGE}\n"


def test_new_rows_moved_ranks_and_separated_pairs_are_listed() -> None:
    old = board([row("coop", 0.5, "1"), row("vpt", 0.4, "2")], (("coop", "vpt"),))
    new_lab = SubmissionSummary(name="new", digest="b", who="B lab", accepted=True, runs=3, notes=("one seed",))
    rows = [row("apex", 0.7, "1"), row("coop", 0.5, "2–3"), row("vpt", 0.4, "2–3")]
    text = board_diff(old, board(rows, (("apex", "vpt"), ("apex", "coop")), LAB, new_lab))
    assert (
        text
        == """\
- new submission `new` by `B lab`: accepted, 3 completed runs
  - `one seed`

### `ViT, few-shot`

| method | all | rank | runs |
|---|---|---|---|
| **new** `apex` | 70.00 ± 1.00 | 1 | 3/3 |
| `coop` | 50.00 ± 1.00 | 1 → 2–3 | 3/3 |
| `vpt` | 40.00 ± 1.00 | 2 → 2–3 | 3/3 |

- `apex` is now significantly better than `vpt`
- `apex` is now significantly better than `coop`
- `coop` is no longer significantly better than `vpt`
"""
    )


def test_removed_rows_and_submissions_and_verified_runs_are_listed() -> None:
    other = SubmissionSummary(name="other", digest="b", who="B", accepted=True, runs=3)
    old = board([row("coop", 0.5), row("vpt", 0.4)], (), LAB, other)
    verified = LAB.model_copy(update={"repeated": "repeated here: 3 of 7, bit-identical"})
    text = board_diff(old, board([row("coop", 0.6, coverage=2)], (), verified))
    assert "- submission `lab`: `repeated here: 3 of 7, bit-identical`" in text
    assert "- removed submission `other` with 3 completed runs" in text
    assert "| `coop` | 50.00 ± 1.00 → 60.00 ± 1.00 | 1 | 3/3 → 2/3 |" in text
    assert "| `vpt` | removed | | |" in text
    recomputed = board([row("coop", 0.5, repeated="repeated here: 1 of 3, bit-identical"), row("vpt", 0.4)], (), LAB)
    assert board_diff(board([row("coop", 0.5), row("vpt", 0.4)]), recomputed) == f"{NO_CHANGE}\n"


def test_a_refused_submission_is_named_with_its_reasons() -> None:
    bad = SubmissionSummary(name="bad", digest="c", who="C", accepted=False, refusals=("another draw",))
    text = board_diff(board([row("coop", 0.5)]), board([row("coop", 0.5)], (), LAB, bad))
    assert "- new submission `bad` by `C`: **refused**, 0 completed runs\n  - `another draw`" in text


def test_texts_of_submissions_cannot_format_the_comment() -> None:
    evil = "`](http://x) @all |\n# <img src=x>"
    bad = SubmissionSummary(name="bad", digest="c", who=evil, accepted=False, refusals=(evil,))
    text = board_diff(board([row("coop", 0.5)]), board([row(evil, 0.5)], (), LAB, bad))
    assert "<img" not in text
    assert text.count("`?](http://x) @all ??# ?img src=x?`") == 3
    assert all(line.count("`") % 2 == 0 for line in text.splitlines())


def test_long_lists_are_cut() -> None:
    rows = [row(f"m{i}", 0.5) for i in range(SHOWN + 5)]
    assert "| and 5 more rows | | | |" in board_diff(board([]), board(rows))


def test_a_file_that_is_no_summary_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BoardError, match="cannot be read .* give a folder that `etl-bench board build` wrote"):
        read_summary(tmp_path)
    (tmp_path / "board.json").write_text("[1]")
    with pytest.raises(BoardError, match="is not a summary of a board"):
        read_summary(tmp_path)


def test_a_summary_has_a_limit(tmp_path: Path) -> None:
    (tmp_path / "hole").touch()
    os.truncate(tmp_path / "hole", 2**40)
    assert "it has more than 64 MiB" in limited(lambda: read_summary(tmp_path / "hole"))
    (tmp_path / "values").write_bytes(b"[" + b"[]," * 20_000_000)
    assert "is not a summary of a board" in limited(lambda: read_summary(tmp_path / "values"), seconds=10)
    os.mkfifo(tmp_path / "pipe")
    assert "it is not a regular file" in limited(lambda: read_summary(tmp_path / "pipe"))


@pytest.mark.parametrize(
    ("outcomes", "text"),
    [
        ([], ""),
        (["identical"] * 3, "repeated here: 3 of 165, bit-identical"),
        (["identical", "rounding"], "repeated here: 2 of 165, within rounding"),
        (["identical", "different"], "repeated here: 2 of 165, 1 not reproduced"),
    ],
)
def test_verified_runs_in_words(outcomes: list[str], text: str) -> None:
    assert repeated_text(outcomes, 165) == text
