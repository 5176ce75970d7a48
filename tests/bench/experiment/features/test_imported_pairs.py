"""Two imported datasets of one model that share class names keep their own texts in every method on stored features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from sweep_requests import sweep_over
from tiny_runs import forget_loaded, outcome

from bench.context import RunContext
from bench.experiment import runner
from bench.spec import ExperimentSpec
from bench.sweep import expand
from datasets_registry import DATASETS, EvalProtocol, feature_bundle

DIM = 12
NAMES = ("ant", "bee_hive", "cat", "dog", "elk", "fox")
# "all" does not name the wrappers.
METHODS = ["all", "apex_on:clip_adapter", "wise_ft_on:visual_adapter"]


def bundle(name: str, class_names: tuple[str, ...], seed: int) -> dict[str, object]:
    """A dataset of the model `toy-clip` with its own text feature for each class, and images around them."""
    rng = np.random.default_rng(seed)
    text = rng.standard_normal((len(class_names), DIM)).astype(np.float32)

    def around(n: int) -> tuple[np.ndarray, np.ndarray]:
        labels = np.repeat(np.arange(len(class_names)), n)
        return text[labels] + 1.2 * rng.standard_normal((len(labels), DIM)).astype(np.float32), labels

    splits = {"train": around(6), "test": around(8), "val": around(4)}
    return {
        "name": name, "backbone": "toy-clip", "class_names": class_names, "text_features": text, "splits": splits,
    }  # fmt: skip


TOY = bundle("toy", NAMES, seed=1)
# It has more classes, so that it also answers for all of toy's, and lists them in another order.
PARTNER_NAMES = ("gnu", *NAMES[::-1], "hen")


@contextmanager
def imported(home: Path, monkeypatch: pytest.MonkeyPatch, *bundles: dict[str, object]) -> Iterator[None]:
    """A folder with these imported datasets and nothing else that earlier ones left in this process."""
    home.mkdir()
    monkeypatch.setenv("ETL_BENCH_DATASETS", str(home))
    forget_loaded()
    for one in bundles:
        DATASETS.add(str(one["name"]), feature_bundle.import_feature_bundle(**one).info())  # type: ignore[arg-type]
    try:
        yield
    finally:
        for one in bundles:
            DATASETS.remove(str(one["name"]))
        forget_loaded()


def specs_of(
    protocol: EvalProtocol, dataset: str = "toy", methods: Sequence[str] = METHODS, **options: object
) -> list[ExperimentSpec]:
    if protocol is EvalProtocol.FEW_SHOT and methods is METHODS:
        options |= {"overrides": ["cross_modal.recipe.steps=5", 'timo.templates=["own"]', 'timo_s.templates=["own"]']}
    options |= {"protocol": protocol, "recipe": "demo", "shots": (4,), "seeds": (1,)}
    return list(expand(sweep_over(methods, [dataset], ["features.toy-clip"], **options)).specs)


@pytest.mark.parametrize("protocol", [EvalProtocol.FEW_SHOT, EvalProtocol.BASE_TO_NEW])
def test_every_method_on_stored_features_gives_beside_other_datasets_what_it_gives_alone(
    protocol: EvalProtocol, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with imported(tmp_path / "alone", monkeypatch, TOY):
        specs = specs_of(protocol)
        alone = {spec.method: runner.run_experiment(spec, RunContext()) for spec in specs}
        difficulty = [one.measures for one in runner.measure_difficulty("features.toy-clip", "toy", RunContext())]
    assert {"zero_shot", "gda", "clip_adapter", "apex_on:clip_adapter"} <= set(alone)
    assert protocol is not EvalProtocol.FEW_SHOT or {"timo", "timo_s", "cross_modal"} <= set(alone)
    for spec in specs:
        cost = alone[spec.method][0].cost
        assert cost.image_passes == cost.prompted_image_passes == cost.text_passes == 0
        assert cost.shared_image_passes is cost.shared_eval_seconds is None
        if spec.recipe:
            assert (spec.recipe["name"].endswith("stored features"), spec.recipe["augment"]) == (True, False)
    first, last = (bundle(name, PARTNER_NAMES, seed=2) for name in ("a_partner", "z_partner"))
    with imported(tmp_path / "beside others", monkeypatch, first, TOY, last):
        assert specs_of(protocol) == specs
        for spec in specs:
            assert outcome(runner.run_experiment(spec, RunContext())) == outcome(alone[spec.method]), spec.method
        records = runner.measure_difficulty("features.toy-clip", "toy", RunContext())
        assert [one.measures for one in records] == difficulty


@pytest.mark.parametrize("protocol", [EvalProtocol.CROSS_DATASET, EvalProtocol.DOMAIN_GENERALIZATION])
def test_a_target_that_shares_names_with_its_source_keeps_its_own_texts(
    protocol: EvalProtocol, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = bundle("target", NAMES[1:5], seed=3)
    found = []
    for source in ("a_source", "z_source"):
        with imported(tmp_path / source, monkeypatch, TOY | {"name": source}, target):
            specs = specs_of(protocol, source, targets=["target"])
            found.append({spec.method: outcome(runner.run_experiment(spec, RunContext())) for spec in specs})
    assert {"zero_shot", "gda", "clip_adapter", "apex_on:clip_adapter"} <= set(found[0])
    assert found[0] == found[1]
    with imported(tmp_path / "alone", monkeypatch, target):
        (spec,) = specs_of(EvalProtocol.FEW_SHOT, "target", ["zero_shot"])
        (alone,), _, logits = outcome(runner.run_experiment(spec, RunContext()))
    scores, _, transferred = found[0]["zero_shot"]
    assert (scores[1], transferred[1]) == (alone | {"split": "target"}, logits[0])
