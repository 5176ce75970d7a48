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
from hostile_submissions import COLUMNS
from limited import limited
from page_data import block_of, everything_of
from simulated_submissions import FACTS, Draft, honest_runs, simulated_run, with_predictions
from tiny_runs import spec_of

from bench.context import RunContext
from bench.experiment.runner import run_experiment
from bench.extensions.boards import verify_board
from bench.extensions.boards.check import SubmissionReport
from bench.extensions.boards.errors import BoardError
from bench.extensions.boards.page import UNMARKED
from bench.extensions.boards.publishing import BuiltBoard, build_board
from bench.extensions.boards.repeated_runs import read_repeated, repeated_text, write_repeated
from bench.extensions.boards.verify import draw_runs

SECOND = FACTS.model_copy(update={"who": "Second & co"})


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Two submissions, of which the second has a run of the first with other predictions."""
    Draft().write(tmp_path / "submissions" / "first")
    runs = [*(simulated_run("clip_adapter", seed) for seed in (1, 2, 3)), simulated_run("coop", 1, salt=5)]
    Draft(runs, SECOND).write(tmp_path / "submissions" / "second")
    return tmp_path


def build(place: Path) -> BuiltBoard:
    return build_board(place / "submissions", place / "site", images=False)


def rows(page: Path) -> dict[str, dict[str, Any]]:
    """The methods of the only leaderboard of a page, by key."""
    (setting,) = block_of(page.read_text())["settings"].values()
    return {method["key"]: method for method in setting["methods"]}


def repeat(place: Path, report: SubmissionReport, outcomes: dict[str, str]) -> None:
    write_repeated(place / "verified" / "submissions", report.name, report.digest, "secret", outcomes)


def test_the_page_shows_rows_and_submissions_and_is_the_only_output(place: Path) -> None:
    before = sorted(place.iterdir())
    done = build(place)
    assert [(report.name, len(report.added)) for report in done.reports] == [("first", 7), ("second", 3)]
    page = done.page.read_text()
    assert "Second & co" in json.dumps(block_of(page), ensure_ascii=False)
    assert "2 submissions with 10 runs." in everything_of(page)
    assert rows(done.page).keys() == {"coop", "tip_adapter", "zero_shot", "clip_adapter"}
    assert UNMARKED in page
    assert sorted(place.iterdir()) == sorted([*before, place / "site"])


def test_a_changed_or_removed_submission_changes_the_next_page(place: Path) -> None:
    build(place)
    shutil.rmtree(place / "submissions" / "second")
    done = build(place)
    assert "clip_adapter" not in rows(done.page)
    assert "Second & co" not in done.page.read_text()


def test_a_refused_submission_is_named_and_its_runs_are_not_on_the_board(place: Path) -> None:
    shutil.rmtree(place / "submissions" / "second")
    stolen = [(simulated_run("clip_adapter")[0], honest_runs()[0][1])]
    Draft(stolen, SECOND).write(place / "submissions" / "thief")
    done = build(place)
    assert [report.accepted for report in done.reports] == [True, False]
    assert "clip_adapter" not in rows(done.page)
    assert "Refused submissions:" in everything_of(done.page.read_text())
    assert "is stated as" in everything_of(done.page.read_text())


def test_a_board_without_submissions_has_a_page(tmp_path: Path) -> None:
    (tmp_path / "submissions").mkdir()
    assert "has no runs yet" in build(tmp_path).page.read_text()


def test_rows_say_how_many_runs_were_recomputed(place: Path) -> None:
    report = build(place).reports[0]
    coop, tip_adapter = (
        [one for one in report.added if report.methods[one] == name] for name in ("coop", "tip_adapter")
    )
    repeat(place, report, {coop[0]: "identical", coop[1]: "rounding", tip_adapter[0]: "different"})
    done = build(place)
    badges = {
        key: [badge[:2] for badge in method["badges"] if badge[0] != "uses"] for key, method in rows(done.page).items()
    }
    assert badges["coop"] == [["repeated", "repeated here: 2 of 3, within rounding"]]
    assert badges["tip_adapter"] == [["differs", "repeated here: 1 of 3, 1 not reproduced"]]
    assert badges["zero_shot"] == [], "the page says what a row without a mark is"
    assert "repeated here: 3 of 7, 1 not reproduced" in everything_of(done.page.read_text())
    assert "not verified" not in everything_of(done.page.read_text()).partition("tip_adapter")[0]


def test_what_was_repeated_is_said_in_words() -> None:
    assert [repeated_text(outcomes, 9) for outcomes in ([], ["identical"], ["identical", "rounding"])] == [
        "", "repeated here: 1 of 9, bit-identical", "repeated here: 2 of 9, within rounding",
    ]  # fmt: skip


def test_a_run_that_cannot_come_from_its_data_refuses_the_submission(place: Path) -> None:
    report = build(place).reports[0]
    repeat(place, report, {report.added[0]: "invalid"})
    refused = build(place).reports[0]
    assert not refused.accepted
    assert "shows that it cannot come from its data" in refused.refusals[0]


def test_results_of_other_content_do_not_count(place: Path) -> None:
    report, folder = build(place).reports[0], place / "verified" / "submissions"
    repeat(place, report, {report.added[0]: "identical"})
    assert read_repeated(folder, report.name, "0") == {}
    (folder / "first.json").write_text("{")
    with pytest.raises(BoardError, match=r"first.json is not a list of recomputed runs; delete it"):
        read_repeated(folder, report.name, report.digest)
    os.truncate(folder / "first.json", 2**40)
    assert "not a list of recomputed runs" in limited(lambda: read_repeated(folder, report.name, report.digest))


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
    Draft([simulated_run("tip_adapter"), *runs]).write(tmp_path / "submissions" / "lab")
    page = build(tmp_path).page
    assert len(page.read_text()) < 500_000
    assert "x" * 400 not in page.read_text()
    (settings,) = json.loads((tmp_path / "site" / "settings.json").read_text())["leaderboards"].values()
    assert sorted(row.get("config.note") or "" for row in settings.values()) == sorted(["", *notes])
    assert len(rows(page)) == 13
    assert max(map(len, rows(page))) < 400


def test_a_recipe_with_a_false_name_is_marked_in_its_row(tmp_path: Path) -> None:
    fast = simulated_run(recipe=simulated_run()[0].spec.recipe | {"lr": 9.0})
    Draft([fast, simulated_run("zero_shot")]).write(tmp_path / "submissions" / "lab")
    assert sorted(rows(build(tmp_path).page)) == ["coop [recipe=custom]", "zero_shot"]


def test_two_boards_in_one_folder_share_nothing(tmp_path: Path) -> None:
    """Both boards have a submission of the same name."""
    asks = FACTS.model_copy(update={"verify": True, "submitted": datetime.now(UTC)})
    for name, method in (("first", "zero_shot"), ("second", "text_adapter")):
        record, predictions = run_experiment(spec_of(method), RunContext())
        Draft([(record, list(predictions))], asks).write(tmp_path / name / "our-lab")
        shutil.rmtree(tmp_path / "runs-of")
    boards = [tmp_path / "first", tmp_path / "second"]
    assert all(done.reproduced for board in boards for done in verify_board(board, "commit"))
    pages = [build_board(board, images=False).page for board in boards]
    assert [next(iter(rows(page))) for page in pages] == ["zero_shot", "text_adapter"]
    assert all("repeated here: 1 of 1, bit-identical" in everything_of(page.read_text()) for page in pages)


def test_a_board_is_beside_its_submissions_wherever_the_command_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Draft([simulated_run()]).write(tmp_path / "board" / "submissions" / "first")
    monkeypatch.chdir(tmp_path / "board" / "submissions")
    assert build_board(Path(), images=False).page.exists()
    assert sorted(path.name for path in Path().iterdir()) == ["first"]
    assert (tmp_path / "board" / "site" / "submissions" / "index.html").is_file()


def test_a_submission_with_fewer_images_on_a_dataset_that_is_not_here_leaves_the_first_in_place(tmp_path: Path) -> None:
    """Nobody can say here which of two test sets is the right one."""
    for name, (record, (item,)) in (("first", simulated_run("coop")), ("later", simulated_run("clip_adapter"))):
        spec = record.spec.model_copy(update={"dataset": "dtd", "task_fingerprint": name})
        names = item.images if name == "first" else item.images[:-1]
        shown = replace(item, **{key: getattr(item, key)[: len(names)] for key in COLUMNS}, images=names)
        run = record.model_copy(update={"spec": spec, "run_id": spec.run_id})
        Draft([with_predictions((run, []), [shown])]).write(tmp_path / "submissions" / name)
    done = build(tmp_path)
    assert [report.accepted for report in done.reports] == [True, True]
    assert len(rows(done.page)) >= 1
