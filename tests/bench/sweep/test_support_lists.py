"""`datasets draw` writes a list, `run --support` runs it, and the list is part of the run's identity."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_datasets import write_dataset
from sweep_requests import changed, sweep_over
from typer.testing import CliRunner

from bench.cli.app import app
from bench.context import RunContext
from bench.errors import StaleSpecError, UsageError
from bench.experiment.runner import run_experiment
from bench.sweep import expand, named_files
from datasets_registry import DataError, EvalProtocol

AXES = sweep_over(
    ["clip_adapter"], ["eurosat"], ["ViT-tiny.random"], protocol=EvalProtocol.FEW_SHOT, shots=(1,), seeds=(1, 2)
)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("data")
    write_dataset(root, "eurosat")
    write_dataset(root, "dtd")
    return root


def drawn(data: Path, out: Path, *, seed: int = 1, name: str = "eurosat") -> str:
    made = CliRunner().invoke(
        app,
        ["datasets", "draw", name, "--shots", "2", "--seed", str(seed), "--out", str(out), "--data-root", str(data)],
    )
    assert made.exit_code == 0, made.output
    assert "8 images of 4 classes" in made.output
    return str(out)


def lines(path: Path, data: Path) -> str:
    own = json.loads(Path(drawn(data, path.with_suffix(".own.json"))).read_text())
    path.write_text(
        "\n".join(json.dumps({"impath": f"/x/{row['key']}", "label": row["label"]}) for row in own["train"])
    )
    return str(path)


def test_a_drawn_list_runs_with_its_own_shots_and_seed(data: Path, tmp_path: Path):
    lists = [drawn(data, tmp_path / f"{seed}.json", seed=seed) for seed in (1, 2)]
    specs = expand(changed(AXES, support=lists, seeds=(7,), data_root=data)).specs
    assert [(s.shots, s.seed, s.draw) for s in specs] == [(2, 1, "file"), (2, 2, "file")]
    assert len({s.support for s in specs}) == len({s.run_id for s in specs}) == 2
    plain = expand(changed(AXES, shots=(2,), seeds=(1,), data_root=data)).specs[0]
    assert plain.support is None
    files = named_files(changed(AXES, support=lists))
    runs = [
        run_experiment(
            spec.model_copy(update={"recipe": spec.recipe | {"epochs": 1}}), RunContext(data_root=data, files=files)
        )
        for spec in (specs[0], plain)
    ]
    assert runs[0][0].provenance.support_digests == runs[1][0].provenance.support_digests
    assert runs[0][0].scores == runs[1][0].scores, "the same training"


def test_zero_shot_beside_a_list_is_the_run_it_always_is(data: Path, tmp_path: Path):
    axes = changed(AXES, methods=["zero_shot"])
    with_list = expand(changed(axes, support=[drawn(data, tmp_path / "l.json")], data_root=data)).specs
    assert with_list == expand(changed(axes, data_root=data)).specs


def test_lists_that_do_not_fit_the_sweep_are_refused(data: Path, tmp_path: Path):
    ours, theirs = drawn(data, tmp_path / "o.json"), lines(tmp_path / "l.jsonl", data)
    (lacking,) = expand(changed(AXES, datasets=["eurosat", "dtd"], support=[ours], data_root=data)).left_out
    assert (lacking.what, lacking.reason.startswith("no support list")) == ("dtd", True)
    with pytest.raises(UsageError, match="name its dataset, and several are"):
        expand(changed(AXES, datasets=["eurosat", "dtd"], support=[theirs], data_root=data))
    with pytest.raises(UsageError, match="same list twice"):
        expand(changed(AXES, support=[ours, ours], data_root=data))
    with pytest.raises(UsageError, match="write --draw file:PATH"):
        expand(changed(AXES, draw="file", data_root=data))
    with pytest.raises(DataError, match="none.json cannot be read"):
        expand(changed(AXES, support=[str(tmp_path / "none.json")], data_root=data))


def test_a_run_whose_list_is_gone_or_changed_is_refused(data: Path, tmp_path: Path):
    path = drawn(data, tmp_path / "l.json")
    axes = changed(AXES, support=[path])
    spec = expand(changed(axes, data_root=data)).specs[0]
    with pytest.raises(StaleSpecError, match=r"support list \w+;.*--support FILE"):
        run_experiment(spec, RunContext(data_root=data))
    files = named_files(axes)
    Path(path).write_text(Path(path).read_text() + "\n")
    with pytest.raises(StaleSpecError, match="l.json changed since"):
        run_experiment(spec, RunContext(data_root=data, files=files))


def test_both_options_of_run_plan_the_same(data: Path, tmp_path: Path):
    path = drawn(data, tmp_path / "l.json")
    plans = []
    for option in (["--support", path], ["--draw", f"file:{path}"]):
        command = ["run", "-m", "clip_adapter", "-d", "eurosat", "-b", "ViT-tiny.random", "--protocol", "few-shot"]
        command += [*option, "--dry-run", "--json", "--data-root", str(data), "--runs", str(tmp_path / "runs")]
        made = CliRunner().invoke(app, command)
        assert made.exit_code == 0, made.output
        plans.append([row["run_id"] for row in json.loads(made.stdout)])
    assert plans[0] == plans[1]
    assert len(plans[0]) == 1
