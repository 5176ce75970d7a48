"""Official settings that differ between datasets, read from the repositories at the stated commits."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from bench.sweep import SweepRequest, expand
from datasets_registry import EvalProtocol
from methods import Recipe, get_method
from methods.rehark import RANGES

B2N, FEW = EvalProtocol.BASE_TO_NEW, EvalProtocol.FEW_SHOT

OFFICIAL = [
    # method, protocol, dataset, values, source
    ("apex", B2N, "imagenet", {"epochs": 5, "batch_size": 16, "lr": 0.15}, "APEX@9f7f4b4 ..._imagenet.yaml:19"),
    ("apex", B2N, "dtd", {"epochs": 15}, "YangYongJin/APEX@9f7f4b4 vit_b16_c2_ep15_batch16_2+2ctx.yaml:19"),
    ("text_adapter", B2N, "imagenet", {"epochs": 5}, "as APEX"),
    ("vpt_text_adapter", B2N, "imagenet", {"epochs": 5}, "as APEX"),
    ("text_prompts_visual_adapter", B2N, "imagenet", {"epochs": 5}, "as APEX"),
    ("coop", B2N, "imagenet", {"epochs": 50}, "KaiyangZhou/CoOp@ff61507 scripts/cocoop/base2new_train.sh:15"),
    ("coop", B2N, "dtd", {"epochs": 200}, "KaiyangZhou/CoOp@ff61507 scripts/cocoop/base2new_train.sh:14"),
    ("coop", FEW, "imagenet", {"epochs": 50}, "KaiyangZhou/CoOp@ff61507 COOP.md:13"),
    ("clip_adapter", FEW, "imagenet", {"epochs": 50}, "CLIP-Adapter@08d07f8 README.md:14, CoOp's COOP.md:13"),
    ("prograd", B2N, "imagenet", {"epochs": 50}, "ProGrad@1b76203 ProGrad.public/README.md:132"),
    ("prograd", B2N, "dtd", {"epochs": 100}, "ProGrad@1b76203 ProGrad.public/README.md:132"),
    ("prograd", FEW, "imagenet", {"epochs": 50}, "ProGrad@1b76203 ProGrad.public/scripts/eval.sh:26"),
    *(
        ("tcp", protocol, name, {"epochs": 25}, "bd97bec train.py:137")
        for protocol in (B2N, FEW)
        for name in ("imagenet", "sun397")
    ),
    ("tcp", B2N, "dtd", {"epochs": 50}, "bd97bec configs/trainers/TCP/vit_b16_ep100_ctxv1.yaml:18"),
    ("dekg_tcp", B2N, "imagenet", {"epochs": 100}, "DeKg@b8f2f1c configs/trainers/DeKg_TCP:18"),
    ("clip_fit", B2N, "imagenet", {"epochs": 10}, "minglllli/CLIPFit@4dde049 README.md:8"),
    ("clip_fit", FEW, "food101", {"epochs": 10}, "minglllli/CLIPFit@4dde049 README.md:23"),
    ("clip_fit", FEW, "dtd", {"epochs": 100}, "minglllli/CLIPFit@4dde049 README.md:23"),
    *(
        ("clip_svd", B2N, name, {"epochs": 10, "lr": 4e-4}, "HealthX-Lab/CLIP-SVD@022b1ed configs/base2new:3")
        for name in ("imagenet", "food101", "sun397", "stanford_cars", "oxford_flowers", "ucf101")
    ),
    *(
        ("clip_svd", B2N, name, {"epochs": 20, "lr": 4e-4}, "HealthX-Lab/CLIP-SVD@022b1ed configs/base2new:3")
        for name in ("oxford_pets", "caltech101", "dtd", "eurosat", "fgvc_aircraft")
    ),
    ("hicropl", B2N, "imagenet", {"epochs": 40, "batch_size": 128}, "HiCroPL@2c2b2f2 base2new_test_hicropl.sh:13"),
    ("hicropl", B2N, "dtd", {"epochs": 50, "batch_size": 32}, "HiCroPL@2c2b2f2 base2new_train_hicropl.sh:12"),
    ("hicropl", FEW, "imagenet", {"epochs": 50, "batch_size": 32}, "HiCroPL@2c2b2f2 few_shot.sh:8"),
    *(
        (name, protocol, "imagenet", {"epochs": 5, "batch_size": 32, "lr": 1e-3}, "MMRL@27d8821 vit_b16_imagenet.yaml")
        for name in ("mmrl", "mmrl_pp")
        for protocol in (B2N, FEW)
    ),
    ("mmrl", FEW, "dtd", {"epochs": 50, "batch_size": 32, "lr": 1e-3}, "MMRL@27d8821 vit_b16_few_shot.yaml"),
    ("mmrl_pp", FEW, "dtd", {"epochs": 100, "batch_size": 32, "lr": 2e-3}, "MMRL@27d8821 vit_b16_few_shot.yaml"),
    ("mma", B2N, "imagenet", {"epochs": 5, "batch_size": 128}, "MMA@547ee34 run_examples.sh:14"),
    ("mma", B2N, "dtd", {"epochs": 5, "batch_size": 16}, "MMA@547ee34 run_examples.sh:8"),
    ("task_res", FEW, "imagenet", {"lr": 2e-4, "epochs": 200}, "geekyutao/TaskRes@5195359 train_regular.sh:64"),
    ("task_res", FEW, "dtd", {"lr": 2e-3, "epochs": 200}, "geekyutao/TaskRes@5195359 train_regular.sh:57"),
    *(
        ("dmn", FEW, name, {"epochs": epochs, "lr": rate, "weight_decay": 1e-4}, f"YBZh/DMN@c6c218c dmn_main.py:{line}")
        for name, rate, epochs, line in (
            ("imagenet", 1e-5, 100, 318),
            ("oxford_flowers", 1e-3, 100, 320),
            ("dtd", 1e-4, 100, 322),
            ("oxford_pets", 1e-4, 20, 324),
            ("stanford_cars", 1e-4, 100, 326),
            ("ucf101", 1e-4, 100, 328),
            ("caltech101", 1e-4, 20, 330),
            ("food101", 1e-4, 100, 332),
            ("sun397", 1e-4, 20, 337),
            ("fgvc_aircraft", 1e-4, 100, 339),
            ("eurosat", 1e-3, 100, 341),
        )
    ),
]  # fmt: skip
"""With 16 shots."""


@pytest.mark.parametrize(
    ("method", "protocol", "dataset", "values", "source"),
    OFFICIAL,
    ids=[f"{one[0]}-{one[1]}-{one[2]}" for one in OFFICIAL],
)
def test_a_recipe_is_the_official_one_on_each_dataset(
    method: str, protocol: EvalProtocol, dataset: str, values: dict[str, object], source: str
) -> None:
    recipe = get_method(method).info.recipe_for(protocol)
    assert recipe is not None
    found = recipe.for_shots(16).for_dataset(dataset)
    assert {name: getattr(found, name) for name in values} == values, source


@pytest.mark.parametrize(
    ("method", "dataset", "values", "source"),
    [
        ("mmrl", "stanford_cars", {"weight": 7.0, "dim": 512}, "MMRL@27d8821 trainers/config.py:8"),
        ("mmrl", "eurosat", {"weight": 0.01, "dim": 2048}, "MMRL@27d8821 trainers/config.py:38"),
        ("mmrl_pp", "food101", {"weight": 1.0, "new_share": 0.1}, "MMRL@27d8821 trainers/config.py:86"),
        ("mmrl_pp", "eurosat", {"weight": 0.01, "new_share": 0.2, "dim": 512}, "MMRL@27d8821 trainers/config.py:82"),
    ],
)
def test_settings_of_a_method_are_the_official_ones_on_each_dataset(
    method: str, dataset: str, values: dict[str, object], source: str
) -> None:
    for protocol in (B2N, FEW):
        info = get_method(method).info
        found = info.config.model_validate(info.settled(protocol).values).for_dataset(dataset)
        assert {name: getattr(found, name) for name in values} == values, source
    changed = info.config.model_validate(info.settled(B2N, {"weight": 2.0}).values).for_dataset(dataset)
    assert changed.weight == 2.0  # set values hold on every dataset


def test_every_field_may_differ_and_is_checked() -> None:
    recipe = Recipe(by_dataset={"dtd": {"lr": 0.5, "batch_size": 4, "epochs": 7}}, epochs_by_shots={1: 3})
    found = recipe.for_dataset("dtd")
    assert (found.lr, found.batch_size, found.epochs_for(1), found.by_dataset) == (0.5, 4, 7, {})
    own = {"epochs": 20, "crop_scale": (0.5, 1.0), "optimizer": "adam"}
    later = Recipe(by_dataset={"dtd": own, "dtd@8": {"epochs": 100}})
    assert Recipe.model_validate_json(later.model_dump_json()) == later
    assert [later.for_shots(shots).for_dataset("dtd").epochs for shots in (4, 8)] == [20, 100]
    assert recipe.for_dataset("eurosat") == recipe.model_copy(update={"by_dataset": {}})
    for own in ({"lr": -1.0}, {"rate": 1.0}, {"name": "mine"}, {"by_dataset": {}}):
        with pytest.raises(ValidationError):
            Recipe(by_dataset={"dtd": own})


@pytest.mark.parametrize(
    ("dataset", "shots", "weight"),
    [("dtd", 16, 0.8), ("eurosat", 8, 0.8), ("dtd", 4, 1.0), ("food101", 16, 1.0)],  # ProGrad@1b76203 README.md:52
)
def test_a_setting_may_differ_with_some_numbers_of_shots(dataset: str, shots: int, weight: float) -> None:
    info = get_method("prograd").info
    config = info.config.model_validate(info.settled(FEW).values)
    assert config.for_dataset(dataset, shots).weight == weight
    chosen = info.config.model_validate(info.settled(FEW, {"weight": 0.5}).values)
    assert chosen.for_dataset(dataset, shots).weight == 0.5


def test_searched_ranges_of_rehark_are_the_official_ones() -> None:
    assert RANGES == {  # Jahid12012021/ReHARK@f5adc54 trainers/rehark.py:75-85
        "beta1": (0.1, 30.0), "beta2": (0.01, 5.0), "mix_k": (0.0, 1.0), "lmbda": (0.001, 5.0), "soft": (0.0, 1.0),
        "var_adj": (0.0, 1.0), "alpha_txt": (0.0, 1.0), "refine_w": (0.0, 1.0), "blend_img": (0.0, 2.0),
        "scale_zs": (1.0, 20.0), "power": (0.5, 1.0),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("dataset", "alpha", "beta"),
    [("imagenet_a", 2.0, 5.0), ("imagenet_r", 1.0, 8.0), ("imagenet_sketch", 2.363, 7.45), ("imagenet_v2", 1.0, 8.0)],
)
def test_variants_of_imagenet_have_their_official_values_at_test_time(dataset: str, alpha: float, beta: float) -> None:
    info = get_method("tda").info  # kdiAAA/TDA configs/imagenet_*.yaml, utils.py:103: 63 views of such datasets
    config = info.default_config(EvalProtocol.TEST_TIME).for_dataset(dataset)
    assert (config.alpha, config.beta, config.views) == (alpha, beta, 63)


@pytest.mark.parametrize("method", ["tda", "boost_adapter"])
def test_datasets_without_published_values_have_those_of_imagenet(method: str) -> None:
    info = get_method(method).info
    config = info.default_config(EvalProtocol.TEST_TIME)
    own = config.by_dataset["imagenet"]
    published = {name: value for name, value in own.items() if all(name in one for one in config.by_dataset.values())}
    assert {name: getattr(config, name) for name in published} == published


@pytest.mark.parametrize(("shots", "rate"), [(1, 1e-4), (4, 1e-4), (8, 1e-3), (16, 1e-3)])
def test_the_rate_can_differ_by_shots(shots: int, rate: float) -> None:
    recipe = get_method("dmn").info.recipe_for(FEW)
    assert recipe is not None
    assert recipe.for_shots(shots).for_dataset("eurosat").lr == rate  # YBZh/DMN@c6c218c dmn_main.py:342, 344
    plain = Recipe(by_dataset={"dtd": {"lr": 0.1}, "dtd@1": {"lr": 0.5}})
    assert [plain.for_shots(n).for_dataset("dtd").lr for n in (1, 2)] == [0.5, 0.1]
    assert plain.for_shots(2).for_dataset("eurosat").lr == Recipe().lr


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


@pytest.mark.parametrize(("shots", "epochs"), [(1, 50), (4, 100), (16, 200)])
def test_coop_trains_for_50_epochs_on_imagenet_with_any_shots(shots: int, epochs: int) -> None:
    recipe = get_method("coop").info.recipe_for(FEW)
    assert recipe is not None
    assert recipe.for_shots(shots).for_dataset("imagenet").epochs == 50
    assert recipe.for_dataset("imagenet").for_shots(shots).epochs == 50
    assert recipe.for_shots(shots).for_dataset("dtd").epochs == epochs
