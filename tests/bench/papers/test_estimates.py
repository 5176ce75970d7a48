"""Estimates before anything runs: counted operations, and the recorded time of the same method."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fake_runner import make_record

from bench.papers import finished_runs, needs_of, planned_cells, read_paper
from bench.papers.estimates import hours_text, operations_of, size_of, tower_operations
from bench.results import Shards
from bench.sweep import SweepOutline, SweepRequest, outline_of


def request(**options: object) -> SweepRequest:
    values = {"methods": "coop", "datasets": "eurosat", "backbones": "ViT-B-16.openai", "shots": 16, "seeds": 3}
    return SweepRequest.build(**(values | options))


def outline(**options: object) -> SweepOutline:
    return outline_of(request(**options))


def spec(**options: object):
    (found,) = outline(**options).specs
    return found


def test_a_vision_transformer_of_16_pixels_takes_17_6_billion_multiply_adds() -> None:
    image, text = tower_operations("ViT-B-16.openai")
    assert image == pytest.approx(17.6e9, rel=0.01)
    assert text == pytest.approx(2.98e9, rel=0.02)


def test_the_size_of_a_run_is_known_without_its_data() -> None:
    size = size_of(spec(methods="maple"))
    assert (size.support, size.train_classes, size.tests, size.test_classes) == (80, 5, 8100, 10)
    recipe = spec(methods="maple").recipe
    assert size.steps == recipe["epochs"] * (80 // recipe["batch_size"])


def test_more_epochs_classes_and_prompts_cost_more() -> None:
    less = operations_of(spec())
    assert operations_of(spec(overrides=["coop.recipe.epochs=400"])) > 1.5 * less
    assert operations_of(spec(datasets="sun397")) > 5 * less
    assert operations_of(spec(methods="maple", overrides=["maple.recipe.epochs=200"])) > less
    assert operations_of(spec(methods="zero_shot")) < less


def test_finished_runs_are_not_counted_and_their_time_scales_the_rest(tmp_path: Path) -> None:
    cells = planned_cells([outline(methods="coop,zero_shot")])
    before = needs_of(cells, finished_runs(tmp_path / "none"))
    assert (before.runs, before.done, before.recorded) == (4, 0, 0)
    made = spec().model_copy(update={"task_fingerprint": "some data"})
    record = make_record(made)
    assert record.cost is not None
    seconds = 10 * next(cell.seconds for cell in cells if cell.spec.method == "coop")
    cost = record.cost.model_copy(update={"prepare_seconds": 0.0, "train_seconds": seconds, "eval_seconds": 0.0})
    on_gpu = record.provenance.model_copy(update={"device": "cuda:0"})
    Shards(tmp_path).write(record.model_copy(update={"cost": cost, "provenance": on_gpu}))
    after = needs_of(cells, finished_runs(tmp_path))
    assert (after.runs, after.done, after.recorded) == (4, 1, 1)
    assert after.hours > 5 * before.hours
    assert after.datasets == ("eurosat",)
    more = needs_of([*cells, *planned_cells([outline(datasets="dtd"), outline(shots=8)])], finished_runs(tmp_path))
    assert more.recorded == 1, "one run scales three"


def test_a_run_of_two_experiments_counts_once() -> None:
    cells = planned_cells([outline(), outline(seeds=5)])
    assert needs_of(cells, finished_runs(Path("none"))).runs == 5


def test_the_first_part_of_the_seed_board_takes_an_hour_of_a_gpu() -> None:
    paper = read_paper("seed-board")
    assert next(iter(paper.experiments)) == "first-hour"
    needs = needs_of(planned_cells(paper.outlines("first-hour")), finished_runs(Path("none")))
    assert (needs.runs, len(needs.datasets), "imagenet" in needs.datasets) == (100, 10, False)
    assert 0.5 < needs.hours < 1.2


def test_runs_of_an_experiment_that_share_a_training_need_it_once(tmp_path: Path) -> None:
    nowhere = finished_runs(tmp_path / "none")
    large: dict[str, object] = {"methods": "apex", "datasets": "sun397"}
    fixed = outline(**large, overrides=["apex.ensemble_weight=fixed", "apex.fixed_weight=0.1,0.2,0.3"])
    cells = planned_cells([outline(**large), fixed])
    needs, one = needs_of(cells, nowhere), needs_of(cells[:1], nowhere)
    assert (needs.runs, needs.trainings, one.trainings) == (12, 3, 3)
    assert one.hours < needs.hours < 1.5 * one.hours
    apart = needs_of([*planned_cells([outline(**large)]), *planned_cells([fixed])], nowhere)
    assert apart.trainings == 6, "experiments are carried out one after the other"
    shares = ["wise_ft_on:clip_lora.trained_share=0.5,1.0"]
    averaged = planned_cells([outline(methods="wise_ft_on:clip_lora", overrides=shares)])
    both, first = needs_of(averaged, nowhere), needs_of(averaged[:1], nowhere)
    tests = operations_of(averaged[0].spec, trained=True) - operations_of(averaged[0].spec, trained=True, shown=True)
    assert tests > 0, "test images pass another tower for each share"
    assert (both.hours - first.hours) * 3600 * 8e12 > 3 * tests


def test_table_13_of_apex_trains_each_model_once() -> None:
    needs = needs_of(planned_cells(read_paper("apex").outlines("table-13")), finished_runs(Path("none")))
    assert (needs.runs, needs.trainings) == (396, 33)
    assert needs.hours < 5


def test_the_table_of_operations_has_one_line_for_each_method() -> None:
    text = (Path(__file__).parents[3] / "bench" / "papers" / "operations.json").read_text(encoding="utf-8")
    assert len(text.splitlines()) == len(json.loads(text)) + 2


def test_a_short_time_is_not_written_as_none() -> None:
    assert [hours_text(hours) for hours in (0.0, 0.004, 0.011, 2.983)] == ["0", "<0.01", "0.01", "2.98"]
