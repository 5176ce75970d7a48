"""A run is charged for the shared features that it needs, whichever run computed them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from counting_pixels import ADDRESSES, CountingPixels
from parity_kit import tiny_backbone
from sweep_requests import sweep_over
from tiny_runs import BACKBONE, DATASET, forget_loaded

from bench.context import RunContext
from bench.experiment import runner
from bench.experiment.features.feature_blocks import pack_block, read_block
from bench.experiment.features.frozen_features import FeatureStore
from bench.experiment.run_cost import CostMeter, charge, own_clock, set_apart
from bench.record import Cost
from bench.sweep import expand
from datasets_registry import EvalProtocol

TRAINED = ("tip_adapter_f", "mma")
METHODS = ("tip_adapter", *TRAINED)
"""A pair that reads the same features, one of them without training, and a method that computes hidden states."""


def costs(methods: Sequence[str], folder: Path) -> dict[str, Cost]:
    """The costs of runs one after the other, as in a new process."""
    forget_loaded()
    short = [f"{method}.recipe.{key}=2" for method in TRAINED for key in ("epochs", "views")]
    sizes = {"shots": (2,), "seeds": (1,), "protocol": EvalProtocol.FEW_SHOT}
    axes = sweep_over(methods, [DATASET], [BACKBONE], **sizes, overrides=[*short, "mma.blocks=2"])
    known = {spec.method: spec for spec in expand(axes).specs}
    specs = [known[method] for method in methods]
    records = [runner.run_experiment(spec, RunContext(cache_dir=folder))[0] for spec in specs]
    return {record.spec.method: record.cost for record in records if record.cost is not None}


def part(found: dict[str, Cost], text: str) -> dict[str, dict[str, object]]:
    """The fields of each method's cost whose name has that text."""
    return {name: {k: v for k, v in cost if text in k} for name, cost in sorted(found.items())}


def test_no_cost_depends_on_the_order_of_runs(tmp_path: Path) -> None:
    first = costs(METHODS, tmp_path / "0")
    assert all(first[method].shared_image_passes for method in METHODS[:2])
    assert first["tip_adapter"].image_passes == first["tip_adapter_f"].image_passes == 0
    assert part(costs(METHODS[::-1], tmp_path / "0"), "shared") == part(first, "shared"), "stored features"
    assert part(costs(METHODS[::-1], tmp_path / "1"), "passes") == part(first, "passes"), "an empty cache"


@pytest.mark.parametrize("again", [True, False])
def test_a_run_pays_for_the_images_that_it_uses_and_for_each_once(again: bool, tmp_path: Path) -> None:
    backbone = tiny_backbone()
    meter = CostMeter(backbone)
    store = FeatureStore(backbone, tmp_path)
    store.fill(ADDRESSES, CountingPixels())
    if again:
        store = FeatureStore(backbone, tmp_path)
    (path,) = (tmp_path / "features").rglob("*.safetensors")
    block = read_block(path)
    for phase, addresses in (("prepare", ADDRESSES[:5]), ("eval", ADDRESSES[3:7])):
        with meter.phase(phase):
            store.get(addresses, CountingPixels())
    assert dict(meter.nanoseconds) == {"prepare": 5 * block.nanoseconds, "eval": 2 * block.nanoseconds}
    assert (meter.images, meter.texts) == (7, 0)


def test_features_that_were_stored_without_a_cost_have_an_unknown_one(tmp_path: Path) -> None:
    store, meter = FeatureStore(tiny_backbone(), tmp_path), CostMeter(tiny_backbone())
    rows = store.get(ADDRESSES, CountingPixels())
    (path,) = (tmp_path / "features").rglob("*.safetensors")
    path.write_bytes(pack_block(ADDRESSES, rows))
    with meter.phase("train"):
        FeatureStore(tiny_backbone(), tmp_path).get(ADDRESSES[:4], CountingPixels())
    assert str(meter.nanoseconds["train"]) == "nan"
    assert meter.images == 4


def test_work_on_shared_features_is_not_the_runs_own() -> None:
    meter = CostMeter(tiny_backbone())
    before_run = meter.passes.image
    with meter.phase("train"):
        before = own_clock()
        with set_apart():
            meter.passes.image += 5
        assert meter.passes.image == before_run
        assert own_clock() >= before
    with set_apart():
        meter.passes.image += 5
    assert meter.passes.image == before_run + 5, "outside a run"


def test_a_later_part_of_a_run_does_not_pay_again() -> None:
    first, second = CostMeter(tiny_backbone()), CostMeter(tiny_backbone())
    for meter, keys in ((first, "ab"), (second, "abc")):
        if meter is second:
            second.load_charged(first.dump_charged())
        with meter.phase("train"):
            charge("image", {key.encode() * 16: 3 for key in keys}, images=1)
    assert (first.nanoseconds["train"], second.nanoseconds["train"]) == (6, 3)
