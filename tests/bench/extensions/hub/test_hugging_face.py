"""The Hugging Face Hub reads its exports, and they hold the numbers of the board."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from fake_runner import answered, make_record, make_spec, rescored
from huggingface_hub import ModelCard, eval_result_entries_to_yaml, parse_eval_result_entries
from open_runs import open_run
from typer.testing import CliRunner

from bench.analysis import reach_text
from bench.analysis.leaderboard import Leaderboard
from bench.analysis.leaderboard_building import build_leaderboards
from bench.cli.app import app
from bench.errors import UsageError
from bench.extensions.hub.hugging_face import eval_results, model_cards, yaml_text
from bench.results import FILE_LIST
from bench.results.database import fresh_store
from bench.results.shards import Shards
from bench.sweep import parse_shots


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for seed in (1, 2, 3):
        record, predictions = answered(seed)
        Shards(folder).write(record, predictions)
        spec = make_spec(method="vpt", seed=seed, epoch_selection="oracle")
        scores = [
            rescored(item, n).model_copy(update={"selected_on_test": "epoch 1", "optimism": 0.1})
            for item, n in zip(predictions, (7, 3), strict=True)
        ]
        Shards(folder).write(make_record(spec, scores=scores), predictions)
    return folder


@pytest.fixture(scope="module")
def board(runs: Path) -> Leaderboard:
    (found,) = build_leaderboards(fresh_store(runs).runs_frame(outcomes=True))
    return found


def test_the_hub_reads_the_cards_back(board: Leaderboard) -> None:
    cards = model_cards([board])
    text = next(text for name, text in cards.items() if name.endswith("/coop.md"))
    results = ModelCard(text).data.eval_results
    assert {(item.dataset_name, item.metric_type) for item in results} == {
        ("spectrum_a", "accuracy"), ("average", "accuracy"),
    }  # fmt: skip
    values = [item.metric_value for item in results if item.dataset_name == "spectrum_a"]
    scores = board.entry("coop").cells["spectrum_a"].scores
    assert values == [round(100 * scores[measure].mean, 4) for measure in ("base", "new", "H")]
    oracle = next(text for name, text in cards.items() if "vpt" in name)
    assert "Test labels selected settings or epochs" in oracle
    assert all(item.metric_name.endswith("selected on test labels") for item in ModelCard(oracle).data.eval_results)


def test_the_hub_reads_the_results_back(board: Leaderboard) -> None:
    files = eval_results([board], benchmark="a-lab/spectrum", source_url="https://example.org/board")
    tasks = [task["id"] for task in yaml.safe_load(files.pop("eval.yaml"))["tasks"]]
    assert tasks == [f"spectrum_a.base-to-new.16-shots.coop.{measure}" for measure in ("H", "base", "new")]
    ((name, text),) = files.items()  # the oracle has no file
    assert name.endswith("/coop/.eval_results/clip-etl-bench.yaml")
    content = yaml.safe_load(text)
    results = parse_eval_result_entries(content)
    assert eval_result_entries_to_yaml(results) == content
    assert {item.task_id for item in results} == set(tasks)
    scores = board.entry("coop").cells["spectrum_a"].scores
    assert {item.task_id.rpartition(".")[2]: item.value for item in results} == {
        measure: round(100 * scores[measure].mean, 4) for measure in ("base", "new", "H")
    }
    assert {(item.dataset_id, item.source_url) for item in results} == {("a-lab/spectrum", "https://example.org/board")}
    assert results[1].notes.startswith(
        "coop on ViT-demo.drawn, fp32, mean of 3 seeds, 95 % interval "
        f"{reach_text(scores['new'])} over seeds and test images, clip-"
    )


def test_a_benchmark_needs_an_owner_and_a_name(board: Leaderboard) -> None:
    with pytest.raises(UsageError, match="--benchmark 'spectrum' is not the OWNER/NAME of a dataset repository"):
        eval_results([board], benchmark="spectrum")


def test_open_scores_are_exported(tmp_path: Path) -> None:
    for seed in (1, 2):
        Shards(tmp_path).write(*open_run(seed))
    (found,) = build_leaderboards(fresh_store(tmp_path).runs_frame(outcomes=True))
    value = found.entry("coop").cells["spectrum_a"].scores["open"].mean
    (card,) = model_cards([found]).values()
    named = {item.metric_name: item.metric_value for item in ModelCard(card).data.eval_results}
    (name,) = (name for name in named if name.startswith("H of base and new accuracy, each among all names, 2 seeds"))
    assert named[name] == round(100 * value, 4)
    assert ".open" in eval_results([found], benchmark="a/b")["eval.yaml"]


def test_all_shots_are_named_and_equal_titles_have_files_of_their_own(tmp_path: Path) -> None:
    (every,) = parse_shots("all")
    for draw in ("coop", "nested"):
        record, predictions = answered(1)
        spec = make_spec(draw=draw, shots=every, support="all")
        Shards(tmp_path).write(make_record(spec, scores=record.scores), predictions)
    boards = build_leaderboards(fresh_store(tmp_path).runs_frame(outcomes=True))
    assert len(boards) == 2
    cards = model_cards(boards)
    assert len(cards) == 2
    for draw in ("coop", "nested"):
        assert sum(f"draw {draw}" in text for text in cards.values()) == 1
    assert all("all training images" in text and str(every) not in text for text in cards.values())


def test_older_code_and_imports_are_marked(runs: Path) -> None:
    frame = fresh_store(runs).runs_frame(outcomes=True)
    (found,) = build_leaderboards(frame.assign(imported=frame["method"] == "coop", stale="other code"))
    name = next(iter(eval_results([found], benchmark="a/b").keys() - {"eval.yaml"}))
    texts = [
        next(text for name, text in model_cards([found]).items() if name.endswith("/coop.md")),
        eval_results([found], benchmark="a/b")[name],
    ]
    for text in texts:
        assert "Made with another version of the method's code: 3 of 3 runs: other code." in text
        assert "Imported, not verified: 3 of 3 runs." in text


@pytest.mark.parametrize(
    "value",
    [
        {"a": 1, "b": [1, 2.5, "x: y # z"], "c": {"d": [], "e": {}}, "f": None, "g": True},
        {"list": [{"a": {"b": "- c"}, "d": [{"e": "'"}]}, "yes"], "text": "é\n\"'"},
    ],
)
def test_yaml_is_read_back_equal(value: object) -> None:
    assert yaml.safe_load(yaml_text(value)) == value


@pytest.mark.parametrize(("form", "suffix"), [("hf", "md"), ("hf-results", "yaml")])
def test_the_command_writes_a_folder(runs: Path, tmp_path: Path, form: str, suffix: str) -> None:
    arguments = ["export", "--format", form, "--runs", str(runs)]
    arguments += ["--benchmark", "a-lab/spectrum"] if form == "hf-results" else []
    done = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    written = sorted(path for path in tmp_path.rglob(f"*.{suffix}") if path.name != FILE_LIST)
    assert len(written) == 2
    assert all(str(path) in done.stdout for path in written)
    refused = CliRunner().invoke(app, arguments)
    assert isinstance(refused.exception, UsageError)
    assert f"--format {form} needs a folder" in str(refused.exception)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["hf-results"], "--format hf-results needs --benchmark OWNER/NAME."),
        (
            ["hf", "--benchmark", "a/b"],
            "--benchmark has no effect with --format hf; use --format hf-results",
        ),
        (["csv", "--source-url", "https://x"], "--source-url has no effect with --format csv"),
    ],
)
def test_a_benchmark_belongs_to_results_of_the_hub(
    runs: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    done = CliRunner().invoke(
        app, ["export", "--format", *arguments, "--runs", str(runs), "--out", str(tmp_path / "out")]
    )
    assert isinstance(done.exception, UsageError)
    assert message in str(done.exception)
    assert not (tmp_path / "out").exists()
