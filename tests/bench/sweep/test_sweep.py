from pathlib import Path
from typing import Any

import pytest
from fake_runner import make_difficulty, make_record
from small_datasets import write_dataset
from sweep_requests import changed, sweep_over

from bench import plan
from bench.api import drawn_support, sweep_request
from bench.errors import ImpossibleCombinationError, UsageError
from bench.record import RunError, RunStatus
from bench.results.shards import Shards
from bench.spec import ExperimentSpec
from bench.sweep import RecipeChoice, RerunPolicy, expand, local_weights, plan_runs, read_tasks
from bench.sweep.plan import LARGE_PLAN
from datasets_registry import EvalProtocol, UnknownNameError

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


def test_a_spec_has_every_default_written_out(grow):
    (spec,) = grow()
    assert set(spec.config) == {"n_ctx", "ctx_init", "class_position", "class_specific"}
    assert spec.recipe is not None
    assert spec.recipe["name"] == "published by dataset"
    assert spec.backbone == "ViT-tiny.random"
    assert ExperimentSpec.model_validate_json(spec.model_dump_json()).run_id == spec.run_id


def test_another_draw_seed_or_content_is_another_task(grow):
    fingerprints = {spec.task_fingerprint for spec in (*grow(seeds=[1, 2]), *grow(draw="nested"))}
    assert len(fingerprints) == 3


def test_a_method_selected_twice_runs_once(grow):
    assert len(grow(methods=["coop", "coo*"])) == 1


def test_zero_shot_is_asked_once_whatever_shots_and_seeds(grow):
    """It depends on neither, so more would be the same number under other names."""
    (spec,) = grow(methods=["zero_shot"], shots=[1, 2], seeds=[1, 2, 3])
    assert (spec.shots, spec.seed, spec.recipe) == (0, 0, None)
    beside = grow(methods=["zero_shot", "coop"], shots=[2], seeds=[7])
    assert beside[0].run_id == spec.run_id, "the same run"


def test_a_value_set_by_hand_is_parsed_as_json(grow):
    (spec,) = grow(overrides=["coop.n_ctx=4", "coop.ctx_init=a photo of a", "coop.class_specific=false"])
    assert spec.config["n_ctx"] == 4
    assert spec.config["ctx_init"] == "a photo of a"


def test_a_recipe_value_makes_the_recipe_custom(grow):
    (spec,) = grow(overrides=["coop.recipe.epochs=3"])
    assert spec.recipe is not None
    assert (spec.recipe["name"], spec.recipe["epochs"]) == ("custom", 3)


def test_setting_the_published_value_changes_nothing(grow):
    (published,) = grow()
    assert published.recipe is not None
    (spec,) = grow(overrides=[f"coop.recipe.lr={published.recipe['lr']}", f"coop.n_ctx={published.config['n_ctx']}"])
    assert spec == published


def test_a_pattern_sets_whichever_methods_have_the_setting(grow):
    specs = grow(methods=["coop", "clip_adapter", "zero_shot"], overrides=["*.recipe.epochs=2", "*.ratio=0.5"])
    by_method = {spec.method: spec for spec in specs}
    assert [by_method[m].recipe["epochs"] for m in ("coop", "clip_adapter")] == [2, 2]
    assert by_method["clip_adapter"].config["ratio"] == 0.5
    assert by_method["zero_shot"].recipe is None


def test_an_exact_name_wins_over_a_pattern(grow):
    (spec,) = grow(overrides=["coop.recipe.epochs=3", "*.recipe.epochs=2"])
    assert spec.recipe is not None
    assert spec.recipe["epochs"] == 3


def test_the_demo_recipe_is_named_so(grow):
    coop, zero = grow(methods=["coop", "zero_shot"], recipe=RecipeChoice.DEMO)
    assert coop.recipe is not None
    assert coop.recipe["name"] == "demo"
    assert zero.recipe is None


@pytest.mark.parametrize(
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


def test_the_same_key_set_twice_is_refused(grow):
    with pytest.raises(UsageError, match="coop.n_ctx is given twice"):
        grow(overrides=["coop.n_ctx=4", "coop.n_ctx=16"])


def test_a_recipe_setting_of_a_training_free_method_is_refused(grow):
    with pytest.raises(UsageError, match="zero_shot is training-free"):
        grow(methods=["zero_shot"], overrides=["zero_shot.recipe.epochs=1"])


def test_a_recipe_setting_says_with_which_protocol_the_method_has_a_recipe(grow):
    with pytest.raises(UsageError, match=r"only with --protocol few-shot\.$"):
        grow(methods=["task_res"], overrides=["task_res.recipe.epochs=1"])


@pytest.mark.parametrize(
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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shots": [0]}, "--shots 0 is not at least 1"),
        ({"seeds": [-1]}, "--seeds -1 is negative"),
        ({"seeds": [1, 1]}, "seeds 1, 1 hold the same"),
        ({"methods": []}, "No methods were given"),
    ],
)
def test_an_empty_or_repeated_axis_is_refused(grow, changes, message: str):
    with pytest.raises(UsageError, match=message):
        grow(**changes)


CLOSED = ["coop.class_specific=true", "coop.ctx_init="]


def test_a_closed_vocabulary_method_is_refused_where_new_classes_are_scored(grow):
    with pytest.raises(ImpossibleCombinationError, match="run coop: .*--protocol few-shot"):
        grow(overrides=CLOSED)
    (spec,) = grow(overrides=CLOSED, protocol=EvalProtocol.FEW_SHOT)
    assert spec.config["class_specific"] is True


def test_settings_that_make_no_sense_in_a_method_are_refused(grow):
    (spec,) = grow(methods=["wise_ft_on:coop"], protocol=EvalProtocol.FEW_SHOT)
    assert (spec.config["ctx_init"], spec.config["trained_share"]) == ("a photo of a", 0.5)
    with pytest.raises(ImpossibleCombinationError, match="wise_ft_on:coop: CoOp starts"):
        grow(methods=["wise_ft_on:coop"], overrides=["wise_ft_on:coop.ctx_init="])


def test_visual_prompts_on_a_resnet_are_refused(grow):
    with pytest.raises(ImpossibleCombinationError, match="RN50.openai: .* use a ViT"):
        grow(methods=["vpt"], backbones=[RESNET])


def test_more_shots_than_a_class_has_are_left_out(data: Path):
    axes = changed(AXES, shots=[2, 5], data_root=data)
    expansion = expand(axes)
    assert {spec.shots for spec in expansion.specs} == {2}
    assert [(item.what, item.named) for item in expansion.left_out] == [("eurosat with 5 shots", True)]


def test_one_method_that_cannot_run_does_not_stop_the_others(data: Path):
    axes = changed(AXES, methods=["coop", "vpt"], backbones=[RESNET], data_root=data)
    expansion = expand(axes)
    assert {spec.method for spec in expansion.specs} == {"coop"}
    assert [(item.what, item.named) for item in expansion.left_out] == [(f"vpt on {RESNET}", True)]


def test_a_sweep_of_millions_of_runs_is_refused_with_its_count_before_it_is_expanded(monkeypatch):
    monkeypatch.setattr("bench.sweep.plan.TaskReader", None)  # makes the tasks of the runs
    request = sweep_over(
        ["coop", "vpt", "zero_shot"], ["spectrum_basic", "spectrum_blur"], ["ViT-tiny.random"], shots=[1, 2, 4],
        seeds=list(range(100_000)), support=["noisy:0.1", "noisy:0.2"],
    )  # fmt: skip
    message = r"up to 2,400,002 runs \(3 methods, 2 datasets, 1 backbone, 100000 seeds, 3 numbers of shots\)"
    with pytest.raises(UsageError, match=message):
        expand(request)


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


def test_a_method_named_beside_a_pattern_counts_as_named(data: Path):
    with pytest.raises(ImpossibleCombinationError, match="vpt on"):
        expand(changed(AXES, methods=["vp*", "vpt"], backbones=[RESNET], data_root=data))


def test_nothing_left_is_an_error_that_says_why(data: Path):
    with pytest.raises(ImpossibleCombinationError, match="requested combinations.* vpt"):
        expand(changed(AXES, methods=["vp*"], backbones=[RESNET], data_root=data))


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
    found = local_weights(["ViT-tiny.random", "ViT-B-32=w.safetensors,quickgelu"])
    ((slug, path),) = found.items()
    assert slug.startswith("ViT-B-32.local-")
    assert str(path) == f"{tmp_path / 'w.safetensors'},quickgelu"


def test_epochs_set_by_hand_hold_for_every_number_of_shots() -> None:
    axes = sweep_over(
        ["coop"], ["spectrum_basic"], ["ViT-tiny.random"], shots=(1, 2), seeds=(1,), protocol=EvalProtocol.FEW_SHOT
    )
    published = [spec.recipe["epochs"] for spec in expand(axes).specs if spec.recipe]
    assert published == [50, 100]
    by_hand = [
        spec.recipe["epochs"] for spec in expand(changed(axes, overrides=["coop.recipe.epochs=7"])).specs if spec.recipe
    ]
    assert by_hand == [7, 7]


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
