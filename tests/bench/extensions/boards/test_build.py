"""A board from submissions: its page and summary, and builds after a change."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hostile_submissions import COLUMNS
from limited import limited
from page_data import block_of, everything_of
from simulated_submissions import FACTS, Draft, Run, honest_runs, simulated_run, with_predictions
from tiny_runs import spec_of

from bench.context import RunContext
from bench.experiment.runner import run_experiment
from bench.extensions.boards.board_runs import KeptChecks
from bench.extensions.boards.errors import BoardError
from bench.extensions.boards.page import UNMARKED
from bench.extensions.boards.publishing import BuiltBoard as Built
from bench.extensions.boards.publishing import build_board, verify_board
from bench.extensions.boards.submissions.check import OwnChecks
from bench.extensions.boards.summary import read_summary
from bench.extensions.boards.verify import draw_runs, read_verified, write_verified
from bench.results.shards import Shards

EARLIER = FACTS.model_copy(update={"who": "Second & co", "submitted": datetime(1970, 1, 1, tzinfo=UTC)})


def second_runs() -> list[Run]:
    return [*(simulated_run("clip_adapter", seed) for seed in (1, 2, 3)), simulated_run("coop", 1, salt=5)]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A board built after each of two submissions, of which the second states an earlier date; tests work on copies."""
    place = tmp_path_factory.mktemp("board")
    Draft().write(place / "submissions" / "first")
    assert build(place).runs.added == 7
    Draft(second_runs(), EARLIER).write(place / "submissions" / "second")
    done = build(place)
    assert (done.checked, done.runs.added) == (1, 3)
    return place


@pytest.fixture
def place(start: Path, tmp_path: Path) -> Path:
    return shutil.copytree(start, tmp_path / "board")


def build(place: Path) -> Built:
    return build_board(place / "submissions", place / "site", images=False)


def own_checks(place: Path, name: str = "first") -> OwnChecks:
    return next(report.own for report in build(place).reports if report.name == name)


def test_the_page_shows_rows_and_submissions(start: Path) -> None:
    page = (start / "site" / "index.html").read_text()
    assert "Second & co" in json.dumps(block_of(page), ensure_ascii=False)
    assert "2 submissions with 10 runs." in everything_of(page)
    summary = read_summary(start / "site")
    (setting,) = summary.settings
    assert {row.entry: row.submissions for row in setting.rows}["clip_adapter"] == ("second",)
    assert [item.name for item in summary.submissions] == ["first", "second"]
    content = json.loads((start / "site" / "board.json").read_text())
    assert content["board_version"] == 1


def test_a_run_of_two_submissions_counts_for_the_first_one(start: Path) -> None:
    shared = simulated_run()[0].run_id
    assert Shards(start / ".board" / "submissions" / "runs").record(shared) == simulated_run()[0]
    (setting,) = read_summary(start / "site").settings
    assert next(row for row in setting.rows if row.entry == "coop").submissions == ("first",)


def test_a_submission_with_more_seeds_takes_no_ranks_away(place: Path) -> None:
    before = {row.entry: row.ranks for row in read_summary(place / "site").settings[0].rows}
    assert all(before[name] for name in ("coop", "tip_adapter", "clip_adapter"))
    Draft([simulated_run("linear_probe", seed) for seed in range(1, 7)], EARLIER).write(place / "submissions" / "many")
    build(place)
    (setting,) = read_summary(place / "site").settings
    rows = {row.entry: row for row in setting.rows}
    assert all(row.ranks for row in rows.values())
    assert (rows["linear_probe"].coverage, rows["coop"].coverage, rows["coop"].planned) == (6, 3, 3)


def test_a_build_without_a_change_checks_and_writes_no_run(place: Path) -> None:
    before = {
        path: path.stat().st_mtime_ns for path in (place / ".board" / "submissions" / "runs" / "shards").rglob("*.json")
    }
    done = build(place)
    assert (done.checked, done.runs.added, done.runs.removed) == (0, 0, 0)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_changed_submission_replaces_its_runs(place: Path) -> None:
    folder = place / "submissions" / "first"
    shutil.rmtree(folder)
    shutil.rmtree(place / "runs-of")
    Draft([simulated_run(salt=9), simulated_run("zero_shot")]).write(folder)
    done = build(place)
    assert (done.checked, done.runs.added, done.runs.removed) == (1, 1, 5)
    assert (
        Shards(place / ".board" / "submissions" / "runs").record(simulated_run()[0].run_id) == simulated_run(salt=9)[0]
    )


def test_a_removed_submission_leaves_with_its_runs(place: Path) -> None:
    shutil.rmtree(place / "submissions" / "second")
    done = build(place)
    assert (done.checked, done.runs.removed, len(done.runs.owner)) == (0, 3, 7)


def test_a_refused_submission_is_named_and_its_runs_are_not_on_the_board(place: Path) -> None:
    shutil.rmtree(place / "submissions" / "second")
    stolen = [(simulated_run("clip_adapter")[0], honest_runs()[0][1])]
    Draft(stolen, EARLIER).write(place / "submissions" / "thief")
    done = build(place)
    assert [report.accepted for report in done.reports] == [True, False]
    assert len(done.runs.owner) == 7
    page = (place / "site" / "index.html").read_text()
    assert "Refused submissions:" in everything_of(page)
    assert "is stated as" in everything_of(page)


def test_damaged_results_of_checks_are_computed_again(place: Path) -> None:
    for path in (place / ".board" / "submissions" / "checked").glob("*.json"):
        path.write_text("{")
    assert build(place).checked == 2


def test_a_described_dataset_repeats_the_checks(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A submission that was refused for an unknown dataset is checked again when the board knows the dataset."""
    monkeypatch.setenv("ETL_BENCH_DATASETS", str(place / "described"))
    (place / "described").mkdir()
    assert build(place).checked == 0
    (place / "described" / "birds.toml").write_text('images = "birds"\nclasses = ["crow", "gull"]\n')
    assert build(place).checked == 2
    assert build(place).checked == 0


def test_a_board_without_submissions_has_a_page(tmp_path: Path) -> None:
    (tmp_path / "submissions").mkdir()
    done = build(tmp_path)
    assert "has no runs yet" in done.page.read_text()
    assert done.summary.settings == ()


def test_rows_say_how_many_runs_were_recomputed(place: Path) -> None:
    own = own_checks(place)
    coop = [run.run_id for run in own.runs if run.method == "coop"]
    tip_adapter = next(run.run_id for run in own.runs if run.method == "tip_adapter")
    outcomes = {coop[0]: "identical", coop[1]: "rounding", tip_adapter: "different"}
    write_verified(place / "verified" / "submissions", own, "secret", outcomes)
    done = build(place)
    (setting,) = done.summary.settings
    assert next(row for row in setting.rows if row.entry == "coop").repeated == "repeated here: 2 of 3, within rounding"
    assert done.summary.submissions[0].repeated == "repeated here: 3 of 7, 1 not reproduced"
    (shown,) = block_of(done.page.read_text())["settings"].values()
    badges = {
        method["key"]: [badge[:2] for badge in method["badges"] if badge[0] != "uses"] for method in shown["methods"]
    }
    assert badges["coop"] == [["repeated", "repeated here: 2 of 3, within rounding"]]
    assert badges["tip_adapter"] == [["differs", "repeated here: 1 of 3, 1 not reproduced"]]
    assert badges["zero_shot"] == [], "the page says what a row without a mark is"
    assert UNMARKED in done.page.read_text()
    assert "not verified" not in everything_of(done.page.read_text())


def test_a_run_that_cannot_come_from_its_data_refuses_the_submission(place: Path) -> None:
    own = own_checks(place)
    write_verified(place / "verified" / "submissions", own, "secret", {own.runs[0].run_id: "invalid"})
    report = build(place).reports[0]
    assert not report.accepted
    assert "shows that it cannot come from its data" in report.refusals[0]


def test_results_of_other_content_do_not_count(place: Path) -> None:
    own = own_checks(place)
    write_verified(place / "verified" / "submissions", own, "secret", {own.runs[0].run_id: "identical"})
    assert read_verified(place / "verified" / "submissions", own.model_copy(update={"digest": "0"})) == {}
    (place / "verified" / "submissions" / "first.json").write_text("{")
    with pytest.raises(BoardError, match=r"first.json is not a list of recomputed runs; delete it"):
        read_verified(place / "verified" / "submissions", own)
    os.truncate(place / "verified" / "submissions" / "first.json", 2**40)
    assert "not a list of recomputed runs" in limited(lambda: read_verified(place / "verified" / "submissions", own))


def test_a_stored_check_that_is_too_large_is_made_again(place: Path) -> None:
    kept = KeptChecks(place / "work", None)
    first = kept.own(place / "submissions" / "first")
    (file,) = (place / "work" / "checked").iterdir()
    os.truncate(file, 2**40)
    assert limited(lambda: kept.own(place / "submissions" / "first") == first) == "True"


def test_drawn_runs_depend_on_content_and_secret(start: Path) -> None:
    own = OwnChecks(name="x", digest="d", runs=own_checks(start).runs)
    first = draw_runs(own, "one")
    assert len(first) == 3
    assert first == draw_runs(own, "one")
    assert len(draw_runs(own, "one", 5)) == 5
    by_secret = {tuple(draw_runs(own, f"secret {i}")) for i in range(20)}
    by_content = {tuple(draw_runs(own.model_copy(update={"digest": f"{i}"}), "one")) for i in range(20)}
    assert min(len(by_secret), len(by_content)) > 10
    with pytest.raises(BoardError, match="submitters do not know"):
        draw_runs(own, "")


def test_the_page_lists_settings_that_differ_and_cuts_long_texts(tmp_path: Path) -> None:
    """All settings are in a file beside the page, which stays small whatever a submission states."""
    published = simulated_run()[0].spec
    notes = [f"{number}{'x' * 10_000}" for number in range(12)]
    runs = [simulated_run(config=published.config | {"n_ctx": 4, "note": note}) for note in notes]
    Draft([simulated_run("tip_adapter"), *runs]).write(tmp_path / "submissions" / "lab")
    done = build(tmp_path)
    page = done.page.read_text()
    assert len(page) < 500_000
    assert "x" * 400 not in page
    (rows,) = json.loads((tmp_path / "site" / "settings.json").read_text())["leaderboards"].values()
    assert sorted(row.get("config.note") or "" for row in rows.values()) == sorted(["", *notes])
    (setting,) = done.summary.settings
    assert len({row.entry for row in setting.rows}) == 13
    assert max(len(row.entry) for row in setting.rows) < 400


def test_a_recipe_with_a_false_name_is_marked_in_its_row(tmp_path: Path) -> None:
    fast = simulated_run(recipe=simulated_run()[0].spec.recipe | {"lr": 9.0})
    Draft([fast, simulated_run("zero_shot")]).write(tmp_path / "submissions" / "lab")
    (setting,) = build(tmp_path).summary.settings
    assert sorted(row.entry for row in setting.rows) == ["coop [recipe=custom]", "zero_shot"]


def test_a_run_of_the_future_pushes_no_other_run_from_the_board(tmp_path: Path) -> None:
    """The dataset is not on this machine, so nobody can say which of two test sets is the right one."""
    at = datetime(2199, 1, 1, tzinfo=UTC)
    for name, (record, (item,)) in (("first", simulated_run("coop")), ("later", simulated_run("clip_adapter"))):
        spec = record.spec.model_copy(update={"dataset": "dtd", "task_fingerprint": name})
        names = item.images if name == "first" else item.images[:-1]
        shown = replace(item, **{key: getattr(item, key)[: len(names)] for key in COLUMNS}, images=names)
        run = record.model_copy(update={"spec": spec, "run_id": spec.run_id})
        run = run if name == "first" else run.model_copy(update={"created_at": at})
        Draft([with_predictions((run, []), [shown])]).write(tmp_path / "submissions" / name)
        done = build(tmp_path)
    assert [report.accepted for report in done.reports] == [True, True]
    (setting,) = done.summary.settings
    assert [row.entry for row in setting.rows if row.coverage] == ["coop"]
    assert "2199" not in done.page.read_text().partition("<footer")[2].partition("</footer>")[0]


def test_two_boards_in_one_folder_share_nothing(tmp_path: Path) -> None:
    for name, runs in (("first", honest_runs()), ("second", second_runs())):
        Draft(runs).write(tmp_path / name / "our-lab")
        build_board(tmp_path / name, images=False)
    again = build_board(tmp_path / "first", images=False)
    assert (again.checked, again.runs.added, again.runs.removed) == (0, 0, 0)


def test_a_board_keeps_its_page_and_its_repeated_runs_beside_another(tmp_path: Path) -> None:
    """Both boards have a submission of the same name."""
    asks = FACTS.model_copy(update={"verify": True})
    for name, method in (("first", "zero_shot"), ("second", "text_adapter")):
        record, predictions = run_experiment(spec_of(method), RunContext())
        Draft([(record, list(predictions))], asks).write(tmp_path / name / "our-lab")
        shutil.rmtree(tmp_path / "runs-of")
    boards = [tmp_path / "first", tmp_path / "second"]
    assert all(done.reproduced for board in boards for done in verify_board(board, "commit"))
    pages = [build_board(board, images=False).page.parent for board in boards]
    repeated = [item.repeated for page in pages for item in read_summary(page).submissions]
    assert repeated == ["repeated here: 1 of 1, bit-identical"] * 2


def test_a_board_is_beside_its_submissions_wherever_the_command_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Draft().write(tmp_path / "board" / "submissions" / "first")
    monkeypatch.chdir(tmp_path / "board" / "submissions")
    assert build_board(Path(), images=False).page.exists()
    assert sorted(path.name for path in Path().iterdir()) == ["first"]
    assert (tmp_path / "board" / "site" / "submissions" / "index.html").is_file()
