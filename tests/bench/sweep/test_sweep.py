"""Which runs a request expands to, what is left out with its reason, and what the plan subtracts."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_runner import make_difficulty, make_record
from one_case import for_each
from PIL import Image
from small_datasets import write_dataset
from sweep_requests import changed, sweep_over

from bench import plan
from bench.api import drawn_support, sweep_request
from bench.errors import ImpossibleCombinationError, UsageError
from bench.record import RunError, RunStatus
from bench.results.shards import Shards
from bench.spec import ExperimentSpec
from bench.sweep import RecipeChoice, RerunPolicy, SweepRequest, expand, local_weights, plan_runs, read_tasks
from bench.sweep.dataset_names import match_datasets
from bench.sweep.plan import LARGE_PLAN
from bench.sweep.sweep_files import sweep_toml
from datasets_registry import DATASETS, AddRequest, ColumnNames, EvalProtocol, UnknownNameError, add_custom_dataset

RESNET = "RN50.openai"
AXES = sweep_over(["coop"], ["eurosat"], ["ViT-tiny.random"], shots=[2], seeds=[1])


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("data")
    write_dataset(root, "eurosat", train=3)
    write_dataset(root, "dtd", train=2)
    return root


@pytest.fixture
def grow(data: Path):
    """Expand the axes with changes; specs only."""

    def grow(**changes) -> tuple[ExperimentSpec, ...]:
        return expand(changed(AXES, **changes, data_root=data)).specs

    return grow


def test_every_combination_is_one_spec(grow):
    specs = grow(methods=["coop", "clip_adapter"], datasets=["eurosat", "dtd"], shots=[1, 2], seeds=[1, 2, 3])
    assert len(specs) == len({spec.run_id for spec in specs}) == 2 * 2 * 2 * 3
    assert {spec.draw for spec in specs} == {"coop"}
    assert len(grow(methods=["coop", "coo*"])) == 1, "a method selected twice runs once"


def test_a_spec_has_every_default_written_out(grow):
    (spec,) = grow()
    assert set(spec.config) == {"n_ctx", "ctx_init", "class_position", "class_specific"}
    assert spec.recipe["name"] == "published by dataset"
    assert spec.backbone == "ViT-tiny.random"
    assert ExperimentSpec.model_validate_json(spec.model_dump_json()).run_id == spec.run_id


def test_another_draw_seed_or_content_is_another_task(grow):
    fingerprints = {spec.task_fingerprint for spec in (*grow(seeds=[1, 2]), *grow(draw="nested"))}
    assert len(fingerprints) == 3


def test_zero_shot_is_asked_once_whatever_shots_and_seeds(grow):
    """It depends on neither, so more would be the same number under other names."""
    (spec,) = grow(methods=["zero_shot"], shots=[1, 2], seeds=[1, 2, 3])
    assert (spec.shots, spec.seed, spec.recipe) == (0, 0, None)
    beside = grow(methods=["zero_shot", "coop"], shots=[2], seeds=[7])
    assert beside[0].run_id == spec.run_id, "the same run"


# --- settings ---------------------------------------------------------------------------------------------------------


@for_each(
    ("overrides", "config", "recipe"),
    [
        (["coop.n_ctx=4", "coop.ctx_init=a photo of a"], {"n_ctx": 4, "ctx_init": "a photo of a"}, {}),
        (["coop.recipe.epochs=3"], {}, {"name": "custom", "epochs": 3}),
        (["coop.recipe.epochs=3", "*.recipe.epochs=2"], {}, {"epochs": 3}),
    ],
)
def test_settings_given_by_hand_are_parsed_and_an_exact_name_wins(grow, overrides, config, recipe):
    (spec,) = grow(overrides=overrides)
    assert spec.config.items() >= config.items()
    assert spec.recipe.items() >= recipe.items()


def test_a_value_that_other_settings_overrule_is_refused(grow):
    """Two runs that differ in a value that nothing used would be read as a comparison of that value."""
    with pytest.raises(ImpossibleCombinationError, match="n_ctx=16 has no effect"):
        grow(overrides=["coop.n_ctx=16", "coop.ctx_init=a photo of a"])
    assert grow(overrides=["coop.n_ctx=16", "coop.ctx_init="])


def test_setting_the_published_value_changes_nothing(grow):
    (published,) = grow()
    (spec,) = grow(overrides=[f"coop.recipe.lr={published.recipe['lr']}", "coop.class_position=end"])
    assert spec == published


def test_a_pattern_sets_whichever_methods_have_the_setting(grow):
    specs = grow(methods=["coop", "clip_adapter", "zero_shot"], overrides=["*.recipe.epochs=2", "*.ratio=0.5"])
    by_method = {spec.method: spec for spec in specs}
    assert [by_method[m].recipe["epochs"] for m in ("coop", "clip_adapter")] == [2, 2]
    assert by_method["clip_adapter"].config["ratio"] == 0.5
    assert by_method["zero_shot"].recipe is None


def test_the_demo_recipe_is_named_so(grow):
    coop, zero = grow(methods=["coop", "zero_shot"], recipe=RecipeChoice.DEMO)
    assert (coop.recipe["name"], zero.recipe) == ("demo", None)


def test_epochs_set_by_hand_hold_for_every_number_of_shots() -> None:
    axes = changed(AXES, datasets=["spectrum_basic"], shots=(1, 2), protocol=EvalProtocol.FEW_SHOT)
    assert [spec.recipe["epochs"] for spec in expand(axes).specs] == [50, 100]
    by_hand = expand(changed(axes, overrides=["coop.recipe.epochs=7"])).specs
    assert [spec.recipe["epochs"] for spec in by_hand] == [7, 7]


@for_each(
    ("text", "kind", "message"),
    [
        ("coop.n_ctxx=4", UnknownNameError, "Unknown setting 'n_ctxx' of coop. Did you mean 'n_ctx'"),
        ("coop.recipe.epoch=4", UnknownNameError, "Unknown recipe setting 'epoch' of coop. Did you mean 'epochs'"),
        ("coop.lr=1", UnknownNameError, r"Unknown setting 'lr' of coop.*coop\.recipe\.lr"),
        ("coop.epoch=1", UnknownNameError, r"coop\.recipe\.epochs"),
        ("coop.recipe.n_ctx=4", UnknownNameError, r"coop\.n_ctx"),
        ("coop.n_ctx=many", UsageError, r"--set 'coop.n_ctx=many': Input should be a valid integer.*etl-bench meth"),
        ("coop.recipe.epochs=0", UsageError, r"--set 'coop.recipe.epochs=0': Input should be greater than or equal"),
        ("coop.recipe.crop_scale=[1, 2]", UsageError, r"--set .*crop_scale .* is not a range"),
        ("coop.class_specific=true", UsageError, r"--set 'coop.class_specific=true': .* drop ctx_init"),
        ("vpt.depth=1", UsageError, "'vpt.depth=1' matches no selected method"),
        ("coop.n_ctx", UsageError, "method.key=value or method.recipe.key=value"),
        ("n_ctx=4", UsageError, "is not of the form method.key=value"),
        ("coop.a.b.c=4", UsageError, "is not of the form method.key=value"),
    ],
)
def test_a_wrong_override_says_what_is_wrong(grow, text: str, kind: type[Exception], message: str):
    with pytest.raises(kind, match=message):
        grow(overrides=[text])


@for_each(
    ("method", "overrides", "message"),
    [
        ("coop", ["coop.n_ctx=4", "coop.n_ctx=16"], "coop.n_ctx is given twice"),
        ("zero_shot", ["zero_shot.recipe.epochs=1"], "zero_shot is training-free"),
        ("task_res", ["task_res.recipe.epochs=1"], r"only with --protocol few-shot\.$"),
    ],
)
def test_settings_that_a_method_does_not_take_are_refused(grow, method: str, overrides: list[str], message: str):
    with pytest.raises(UsageError, match=message):
        grow(methods=[method], overrides=overrides)


@for_each(
    ("changes", "message"),
    [
        ({"methods": ["coopp"]}, "Unknown method 'coopp'. Did you mean 'coop'"),
        ({"methods": ["x*"]}, r"Unknown method 'x\*'"),
        ({"datasets": ["eurosatt"]}, "Unknown dataset 'eurosatt'. Did you mean 'eurosat'"),
        ({"backbones": ["ViT-B-16.opena"]}, "Unknown weights 'opena' of ViT-B-16. Did you mean 'openai'"),
    ],
)
def test_an_unknown_name_lists_near_misses(grow, changes, message: str):
    with pytest.raises(UnknownNameError, match=message):
        grow(**changes)


def test_settings_that_make_no_sense_in_a_method_are_refused(grow):
    (spec,) = grow(methods=["wise_ft_on:coop"], protocol=EvalProtocol.FEW_SHOT)
    assert (spec.config["ctx_init"], spec.config["trained_share"]) == ("a photo of a", 0.5)
    with pytest.raises(ImpossibleCombinationError, match="wise_ft_on:coop: CoOp starts"):
        grow(methods=["wise_ft_on:coop"], overrides=["wise_ft_on:coop.ctx_init="])


# --- what is left out -------------------------------------------------------------------------------------------------


@for_each(
    ("changes", "left_out"),
    [
        ({"shots": [2, 5]}, "eurosat with 5 shots"),
        ({"methods": ["coop", "vpt"], "backbones": [RESNET]}, f"vpt on {RESNET}"),
    ],
)
def test_a_named_combination_that_cannot_run_does_not_stop_the_others(data: Path, changes, left_out: str):
    expansion = expand(changed(AXES, **changes, data_root=data))
    assert {(spec.method, spec.shots) for spec in expansion.specs} == {("coop", 2)}
    assert [(item.what, item.named) for item in expansion.left_out] == [(left_out, True)]


def test_what_only_a_pattern_asked_for_is_left_out_with_its_reason(data: Path):
    axes = changed(AXES, methods=["vp*", "coop"], datasets=["all"], backbones=["ViT-tiny.random", RESNET], shots=[2, 3])
    expansion = expand(changed(axes, data_root=data))
    ran = {(spec.method, spec.backbone, spec.dataset, spec.shots) for spec in expansion.specs}
    assert ("coop", RESNET, "eurosat", 3) in ran
    assert ("vpt", "ViT-tiny.random", "dtd", 2) in ran
    assert not any(method == "vpt" and backbone == RESNET for method, backbone, _, _ in ran)
    assert not any(dataset == "dtd" and shots == 3 for _, _, dataset, shots in ran)
    left_out = {item.what for item in expansion.left_out}
    assert {f"vpt on {RESNET}", "dtd with 3 shots", "oxford_pets"} <= left_out
    assert not any(item.named for item in expansion.left_out)


@for_each(
    ("methods", "message"),
    [(["vp*", "vpt"], "vpt on RN50.openai: .* use a ViT"), (["vp*"], "requested combinations.* vpt")],
)
def test_nothing_left_is_an_error_that_says_why(data: Path, methods: list[str], message: str):
    """A method that is also named counts as named."""
    with pytest.raises(ImpossibleCombinationError, match=message):
        expand(changed(AXES, methods=methods, backbones=[RESNET], data_root=data))


# --- plans ------------------------------------------------------------------------------------------------------------


def test_a_sweep_of_millions_of_runs_is_refused_with_its_count_before_it_is_expanded(monkeypatch):
    monkeypatch.setattr("bench.sweep.plan.TaskReader", None)  # makes the tasks of the runs
    request = sweep_over(
        ["coop", "vpt", "zero_shot"], ["spectrum_basic", "spectrum_blur"], ["ViT-tiny.random"], shots=[1, 2, 4],
        seeds=list(range(100_000)), support=["noisy:0.1", "noisy:0.2"],
    )  # fmt: skip
    message = r"up to 2,400,002 runs \(3 methods, 2 datasets, 1 backbone, 100000 seeds, 3 numbers of shots\)"
    with pytest.raises(UsageError, match=message):
        expand(request)


def test_the_plan_subtracts_what_is_on_disk(data: Path, tmp_path: Path):
    expansion = expand(changed(AXES, seeds=[1, 2, 3], data_root=data))
    shards = Shards(tmp_path)
    ok, bad, new = expansion.specs
    shards.write(make_record(ok))
    error = RunError(kind="E", message="m", traceback="t")
    shards.write(make_record(bad, status=RunStatus.FAILED, scores=[], error=error))
    made = plan_runs(expansion, shards)
    assert (made.done, made.pending, made.retried) == ((ok,), (bad, new), {bad.run_id})
    assert made.difficulties == (("ViT-tiny.random", "eurosat"),)
    shards.difficulties.write("ViT-tiny.random", "eurosat", make_difficulty("ViT-tiny.random", "eurosat"))
    made = plan_runs(expansion, shards, RerunPolicy.MISSING)
    assert (made.pending, made.retried, made.difficulties) == ((new,), set(), ())
    made = plan_runs(expansion, shards, RerunPolicy.ALL)
    assert (len(made.pending), len(made.difficulties)) == (3, 1)


def test_local_weights_are_found_by_slug_and_keep_their_activation(tmp_path: Path, monkeypatch):
    (tmp_path / "w.safetensors").write_bytes(b"weights")
    monkeypatch.chdir(tmp_path)
    ((slug, path),) = local_weights(["ViT-tiny.random", "ViT-B-32=w.safetensors,quickgelu"]).items()
    assert slug.startswith("ViT-B-32.local-")
    assert str(path) == f"{tmp_path / 'w.safetensors'},quickgelu"


SWEEP: dict[str, Any] = {"methods": "coop", "datasets": "spectrum_basic", "shots": 4, "seeds": 1}


def test_the_draw_and_the_seed_change_runs_on_all_training_images(tmp_path: Path) -> None:
    planned = [plan(**SWEEP | {"shots": "all", "draw": draw}, runs=tmp_path) for draw in ("coop", "nested")]
    assert len({spec.task_fingerprint for one in planned for spec in one.specs}) == 2
    drawn = [drawn_support("spectrum_basic", shots="all", seed=seed, draw="nested")[0] for seed in (1, 2)]
    assert len({task.fingerprint for task in drawn}) == 2


def test_a_large_plan_is_counted_before_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(read_tasks, "SECONDS_BETWEEN_LINES", 0.0)
    expand(sweep_request(**SWEEP | {"seeds": LARGE_PLAN}), said.append)
    assert said[0] == "planning up to 1,000 runs"
    assert said[-1].endswith("999 of 1,000 draws")
    said.clear()
    monkeypatch.undo()
    expand(sweep_request(**SWEEP), said.append)
    assert said == []


# --- defaults that depend on the datasets -----------------------------------------------------------------------------

REQUIRED = (
    r"Dataset 'eurosat' holds real images, but the default backbone ViT-demo.drawn was trained on synthetic images, so "
    r"-b is required. Backbones: -b ViT-B-32.openai \(151 M parameters, 605 MB, .*-b ViT-B-16.openai .*-b "
    r"ViT-L-14.openai .* or a file, -b ARCH=FILE; to try commands out, -b ViT-demo.drawn"
)


@pytest.fixture
def birds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Own images in the catalogue, with a class of four images, as options of a sweep."""
    pixels = np.random.default_rng(0)
    for name, n in (("crow", 20), ("gull", 20), ("rare", 4)):
        (tmp_path / "birds" / name).mkdir(parents=True)
        for i in range(n):
            image = Image.fromarray(pixels.integers(0, 256, (32, 32, 3), dtype=np.uint8))
            image.save(tmp_path / "birds" / name / f"{i}.png")
    request = AddRequest("birds", tmp_path / "birds", "a photo of a {}.", "", None, None, ColumnNames())
    added = add_custom_dataset(request, tmp_path / "own", replace=False)
    monkeypatch.setitem(DATASETS.entries, "birds", added.info)
    return {"datasets": "birds", "backbone": "ViT-tiny.random", "seeds": 1, "runs": tmp_path / "runs"}


@for_each("datasets", ["eurosat", "spectrum_basic,eurosat", "eurosat,unknown"])
def test_a_dataset_that_is_not_synthetic_needs_a_backbone(datasets: str) -> None:
    with pytest.raises(UsageError, match=REQUIRED):
        SweepRequest.build(methods="coop", datasets=datasets)
    request = SweepRequest.build(methods="coop", datasets=datasets, backbones="ViT-demo.drawn")
    assert request.backbones == ["ViT-demo.drawn"], "chosen by name"


def test_synthetic_datasets_have_the_demo_backbone() -> None:
    request = SweepRequest.build(methods="coop", datasets="spectrum*")
    assert (request.backbones, request.protocol) == (["ViT-demo.drawn"], EvalProtocol.BASE_TO_NEW)
    assert not {"backbones", "protocol"} & set(tomllib.loads(sweep_toml(request)))


@pytest.mark.usefixtures("birds")
def test_the_default_protocol_of_own_images_is_few_shot() -> None:
    def protocol(datasets: str, **options: str) -> EvalProtocol:
        return SweepRequest.build(methods="coop", datasets=datasets, backbones="ViT-tiny.random", **options).protocol

    assert protocol("birds") is EvalProtocol.FEW_SHOT
    assert protocol("birds", protocol="base-to-new") is EvalProtocol.BASE_TO_NEW
    assert protocol("birds,eurosat") is EvalProtocol.BASE_TO_NEW
    assert protocol("eurosat") is EvalProtocol.BASE_TO_NEW


def test_fewer_images_than_shots_are_taken_if_allowed_and_the_spec_says_so(birds: dict[str, Any]) -> None:
    few = plan("coop,zero_shot", shots=8, **birds)
    assert [spec.label() for spec in few.specs] == ["zero_shot on birds, few-shot, 0 shots, seed 0"]
    assert "up to 8 shots, seed 1" in plan("coop", shots=8, allow_fewer=True, **birds).specs[0].label()
    alone, allowed = (plan("coop", shots=1, allow_fewer=allow, **birds) for allow in (False, True))
    assert allowed.specs == alone.specs, "the same run"


def test_a_pattern_takes_options_as_a_name_does() -> None:
    assert match_datasets("spectrum_b*:test=10") == ["spectrum_basic:test=10", "spectrum_blur:test=10"]
    with pytest.raises(UnknownNameError, match="Did you mean 'test'"):
        match_datasets("spectrum_b*:tes=10")
