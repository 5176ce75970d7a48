"""A board from submissions: its page, and what repeated runs change on it."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hostile_submissions import failed_run
from limited import limited
from page_data import block_of, everything_of
from simulated_submissions import FACTS, Draft, honest_runs, simulated_run, state_repeated
from tiny_runs import finished, spec_of

from bench.extensions.boards import verify_board
from bench.extensions.boards.check import SubmissionReport
from bench.extensions.boards.errors import BoardError
from bench.extensions.boards.page import UNMARKED
from bench.extensions.boards.publishing import build_board
from bench.extensions.boards.repeated_runs import read_repeated, repeated_text, write_repeated
from bench.extensions.boards.verify import draw_runs

Board = tuple[Path, list[SubmissionReport]]
SECOND = FACTS.model_copy(update={"who": "Second & co"})
MINE = [*(simulated_run("clip_adapter", seed) for seed in (1, 2, 3)), simulated_run("coop", 1, salt=5)]


def rows(page: Path) -> dict[str, dict[str, Any]]:
    """The methods of the only leaderboard of a page, by key."""
    (setting,) = block_of(page.read_text())["settings"].values()
    return {method["key"]: method for method in setting["methods"]}


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    """Two submissions, of which the second has a run of the first with other predictions; four runs were repeated."""
    place = tmp_path_factory.mktemp("board")
    coop, tip_adapter = ([simulated_run(name, seed)[0].run_id for seed in (1, 2)] for name in ("coop", "tip_adapter"))
    outcomes = {coop[0]: "identical", coop[1]: "rounding", tip_adapter[0]: "different"}
    state_repeated(Draft().write(place / "submissions" / "first"), outcomes)
    state_repeated(Draft(MINE, SECOND).write(place / "submissions" / "second"), {MINE[3][0].run_id: "different"})
    shutil.rmtree(place / "runs-of")
    return build_board(place / "submissions", place / "site", images=False)


def test_the_page_shows_rows_and_submissions_and_is_the_only_output(board: Board) -> None:
    path, reports = board
    assert [(report.name, len(report.added)) for report in reports] == [("first", 7), ("second", 3)]
    page = path.read_text()
    assert "Second & co" in json.dumps(block_of(page), ensure_ascii=False)
    assert "2 submissions with 10 runs." in everything_of(page)
    assert rows(path).keys() == {"coop", "tip_adapter", "zero_shot", "clip_adapter"}
    assert UNMARKED in page
    assert sorted(item.name for item in path.parent.parent.iterdir()) == ["site", "submissions", "verified"]


def test_rows_say_how_many_runs_were_recomputed(board: Board) -> None:
    page, _ = board
    badges = {
        key: [badge[:2] for badge in row["badges"] if badge[0] not in ("uses", "by")] for key, row in rows(page).items()
    }
    assert badges["coop"] == [["repeated", "repeated here: 2 of 3, within rounding"]], "the run of the first counts"
    assert badges["tip_adapter"] == [["differs", "repeated here: 1 of 3, 1 not reproduced"]]
    assert badges["zero_shot"] == [], "the page says what a row without a mark is"
    assert "repeated here: 3 of 7, 1 not reproduced" in everything_of(page.read_text())


def test_refused_submissions_are_named_and_their_runs_are_not_on_the_board(tmp_path: Path) -> None:
    """The predictions of one do not give its scores; a repeated run of the other cannot come from its data."""
    stolen = [(simulated_run("clip_adapter")[0], honest_runs()[0][1])]
    Draft(stolen, SECOND).write(tmp_path / "submissions" / "thief")
    forged = simulated_run("tip_adapter")
    state_repeated(Draft([forged]).write(tmp_path / "submissions" / "forged"), {forged[0].run_id: "invalid"})
    Draft([simulated_run()]).write(tmp_path / "submissions" / "honest")
    page, reports = build_board(tmp_path / "submissions", tmp_path / "site", images=False)
    assert {report.name: report.accepted for report in reports} == {"forged": False, "honest": True, "thief": False}
    assert rows(page).keys() == {"coop"}
    said = everything_of(page.read_text())
    assert all(text in said for text in ("Refused submissions:", "is stated as", "shows that it cannot come from its"))


def test_a_board_has_its_page_beside_it_wherever_the_command_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The only submission is refused, so the board has no runs."""
    Draft([failed_run()]).write(tmp_path / "submissions" / "lab")
    monkeypatch.chdir(tmp_path / "submissions")
    page, _ = build_board(Path(), images=False)
    assert "has no runs yet" in page.read_text()
    assert (tmp_path / "site" / "submissions" / "index.html").is_file()
    assert [item.name for item in Path().iterdir()] == ["lab"]


def test_results_of_other_content_do_not_count(tmp_path: Path) -> None:
    write_repeated(tmp_path, "first", "d", "secret", {"0" * 16: "identical"})
    found = [read_repeated(tmp_path, "first", digest) for digest in ("d", "e")]
    assert found == [{"0" * 16: "identical"}, {}]
    (tmp_path / "first.json").write_text("{")
    with pytest.raises(BoardError, match=r"first.json is not a list of recomputed runs; delete it"):
        read_repeated(tmp_path, "first", "d")
    os.truncate(tmp_path / "first.json", 2**40)
    assert "not a list of recomputed runs" in limited(lambda: read_repeated(tmp_path, "first", "d"))


def test_what_was_repeated_is_said_in_words() -> None:
    assert [repeated_text(outcomes, 9) for outcomes in ([], ["identical"], ["identical", "rounding"])] == [
        "", "repeated here: 1 of 9, bit-identical", "repeated here: 2 of 9, within rounding",
    ]  # fmt: skip


def test_drawn_runs_depend_on_content_and_secret() -> None:
    report = SubmissionReport("x", digest="d", methods={f"{number:016x}": "coop" for number in range(7)})
    first = draw_runs(report, "one")
    assert len(first) == 3
    assert first == draw_runs(report, "one")
    assert len(draw_runs(report, "one", 5)) == 5
    by_secret = {tuple(draw_runs(report, f"secret {i}")) for i in range(20)}
    by_content = {tuple(draw_runs(replace(report, digest=f"{i}"), "one")) for i in range(20)}
    assert min(len(by_secret), len(by_content)) > 10
    with pytest.raises(BoardError, match="submitters do not know"):
        draw_runs(report, "")


def test_the_page_lists_settings_that_differ_and_cuts_long_texts(tmp_path: Path) -> None:
    """All settings are in a file beside the page, which stays small whatever a submission states."""
    published = simulated_run()[0].spec
    notes = [f"{number}{'x' * 10_000}" for number in range(12)]
    runs = [simulated_run(config=published.config | {"n_ctx": 4, "note": note}) for note in notes]
    false_name = simulated_run(recipe=published.recipe | {"lr": 9.0})
    Draft([simulated_run("tip_adapter"), false_name, *runs]).write(tmp_path / "submissions" / "lab")
    page = build_board(tmp_path / "submissions", tmp_path / "site", images=False)[0]
    assert len(page.read_text()) < 500_000
    assert "x" * 400 not in page.read_text()
    (settings,) = json.loads((tmp_path / "site" / "settings.json").read_text())["leaderboards"].values()
    assert sorted(row.get("config.note") or "" for row in settings.values()) == sorted(["", "", *notes])
    assert len(rows(page)) == 14
    assert max(map(len, rows(page))) < 400
    assert any(key.startswith("coop [") and "recipe=custom" in key for key in rows(page))


def test_two_boards_in_one_folder_share_nothing(tmp_path: Path) -> None:
    """Both boards have a submission of the same name."""
    asks = FACTS.model_copy(update={"verify": True, "submitted": datetime.now(UTC)})
    for name, method in (("first", "zero_shot"), ("second", "text_adapter")):
        record, predictions = finished(spec_of(method))
        Draft([(record, list(predictions))], asks).write(tmp_path / name / "our-lab")
        shutil.rmtree(tmp_path / "runs-of")
    boards = [tmp_path / "first", tmp_path / "second"]
    verdicts = [verdict for place in boards for _, _, verdict in verify_board(place, "commit")]
    assert [verdict.outcome for verdict in verdicts] == ["identical", "identical"]
    pages = [build_board(place, images=False)[0] for place in boards]
    assert [next(iter(rows(page))).partition(" ")[0] for page in pages] == ["zero_shot", "text_adapter"]
    assert all("repeated here: 1 of 1, bit-identical" in everything_of(page.read_text()) for page in pages)
