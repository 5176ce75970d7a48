"""Settings that differ between datasets; `tests/tools/test_compared_settings.py` compares them with official code."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from bench.sweep import SweepRequest, expand
from datasets_registry import EvalProtocol
from methods import Recipe, get_method
from methods.rehark import RANGES

FEW = EvalProtocol.FEW_SHOT


def test_every_field_may_differ_and_is_checked() -> None:
    recipe = Recipe(by_dataset={"dtd": {"lr": 0.5, "batch_size": 4, "epochs": 7}}, epochs_by_shots={1: 3})
    found = recipe.for_dataset("dtd")
    assert (found.lr, found.batch_size, found.epochs_for(1), found.by_dataset) == (0.5, 4, 7, {})
    own = {"epochs": 20, "crop_scale": (0.5, 1.0), "optimizer": "adam"}
    later = Recipe(by_dataset={"dtd": own, "dtd@8": {"epochs": 100}})
    assert Recipe.model_validate_json(later.model_dump_json()) == later
    assert [later.for_shots(shots).for_dataset("dtd").epochs for shots in (4, 8)] == [20, 100]
    assert later.for_shots(8).for_dataset("eurosat").epochs == Recipe().epochs
    imagenet = Recipe(by_dataset={"imagenet": {"epochs": 50}}, epochs_by_shots={1: 3})
    assert imagenet.for_shots(1).for_dataset("imagenet").epochs == 50
    assert imagenet.for_dataset("imagenet").for_shots(1).epochs == 50
    assert recipe.for_dataset("eurosat") == recipe.model_copy(update={"by_dataset": {}})
    for own in ({"lr": -1.0}, {"rate": 1.0}, {"name": "mine"}, {"by_dataset": {}}):
        with pytest.raises(ValidationError):
            Recipe(by_dataset={"dtd": own})


@pytest.mark.parametrize(("method", "dataset"), [("mmrl", "stanford_cars"), ("prograd", "dtd")])
def test_a_setting_that_was_given_holds_on_every_dataset(method: str, dataset: str) -> None:
    info = get_method(method).info
    published = info.config.model_validate(info.settled(FEW).values)
    assert published.for_dataset(dataset, 16).weight != published.weight
    given = info.config.model_validate(info.settled(FEW, {"weight": 2.0}).values)
    assert given.for_dataset(dataset, 16).weight == 2.0


def test_searched_ranges_of_rehark_are_the_official_ones() -> None:
    assert RANGES == {  # Jahid12012021/ReHARK@f5adc54 trainers/rehark.py:75-85
        "beta1": (0.1, 30.0), "beta2": (0.01, 5.0), "mix_k": (0.0, 1.0), "lmbda": (0.001, 5.0), "soft": (0.0, 1.0),
        "var_adj": (0.0, 1.0), "alpha_txt": (0.0, 1.0), "refine_w": (0.0, 1.0), "blend_img": (0.0, 2.0),
        "scale_zs": (1.0, 20.0), "power": (0.5, 1.0),
    }  # fmt: skip


# kdiAAA/TDA configs/imagenet_*.yaml, utils.py:103: 63 views of such datasets
@pytest.mark.parametrize(
    ("name", "dataset", "values"),
    [
        ("tda", "imagenet_a", {"alpha": 2.0, "beta": 5.0, "views": 63}),
        ("tda", "imagenet_r", {"alpha": 1.0, "beta": 8.0, "views": 63, "templates": ("imagenet80",)}),
        ("tda", "imagenet_sketch", {"alpha": 2.363, "beta": 7.45, "views": 63}),
        ("tda", "imagenet_v2", {"alpha": 1.0, "beta": 8.0, "views": 63}),
        ("boost_adapter", "imagenet_sketch", {"alpha": 2.363, "delta": 1, "templates": ("imagenet80",)}),
        ("c_tpt", "imagenet_r", {"dispersion": 20.0}),
        ("tda", "other", {"alpha": 2.0, "beta": 5.0, "templates": ("own",)}),
        ("boost_adapter", "other", {"delta": 3}),
    ],
)
def test_variants_of_imagenet_and_other_datasets_have_their_values_at_test_time(
    name: str, dataset: str, values: dict[str, object]
) -> None:
    config = get_method(name).info.default_config(EvalProtocol.TEST_TIME).for_dataset(dataset)
    assert {key: getattr(config, key) for key in values} == values


@pytest.mark.parametrize("method", ["tda", "boost_adapter"])
def test_datasets_without_published_values_have_those_of_imagenet(method: str) -> None:
    info = get_method(method).info
    config = info.default_config(EvalProtocol.TEST_TIME)
    own = config.by_dataset["imagenet"]
    published = {name: value for name, value in own.items() if all(name in one for one in config.by_dataset.values())}
    assert {name: getattr(config, name) for name in published} == published


@pytest.mark.parametrize(("overrides", "epochs"), [(["lr=0.01"], 100), (["lr=0.01", "epochs=3"], 3)])
def test_an_override_holds_with_any_shots_on_every_dataset_and_leaves_other_fields(
    overrides: list[str], epochs: int
) -> None:
    request = SweepRequest(
        methods=["dmn"], overrides=[f"dmn.recipe.{each}" for each in overrides], datasets=["spectrum_basic"],
        shots=[8], seeds=[1], protocol="few-shot",
    )  # fmt: skip
    (spec,) = expand(request).specs
    recipe = Recipe.model_validate(spec.recipe)
    found = {(recipe.for_dataset(name).lr, recipe.for_dataset(name).epochs) for name in ("eurosat", "food101")}
    assert found == {(0.01, epochs)}
