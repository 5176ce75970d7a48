"""Groups of test images: from the samples of a split to the shard, and from there to the frame of runs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch
from fake_runner import make_predictions, make_record, make_spec

from bench.experiment.evaluation import predictions
from bench.record import Predictions
from bench.results import TrueLabels
from bench.results.checksummed_json import DamagedError
from bench.results.database import Store
from bench.results.predictions import pack_predictions, unpack_predictions
from bench.results.shards import Shard, Shards
from bench.results.verification import RepetitionOutcome, judge_repetition
from datasets_registry import ClassSet, EvalSplit, Sample

GROUP = np.array([2, 0, -1, 0, -1, 2], dtype=np.int32)


def grouped(split: str = "base", group: np.ndarray = GROUP, **settings: int) -> Predictions:
    return replace(make_predictions(split, **settings), group=group)


def split_of(*groups: str | None) -> EvalSplit:
    samples = tuple(Sample(f"{place}.png", place % 2, group) for place, group in enumerate(groups))
    names = tuple(sorted({group for group in groups if group is not None} | {"of another split"}))
    return EvalSplit("base", None, samples, ClassSet(("cat", "dog"), "{}"), names)  # type: ignore[arg-type]


def test_predictions_carry_the_place_of_each_group_in_the_groups_of_the_dataset():
    logits = torch.zeros(4, 2)
    assert predictions(split_of("p9", "p1", None, "p9"), logits).group.tolist() == [2, 1, -1, 2]
    assert predictions(split_of(None, None, None, None), logits).group is None


def test_packed_groups_come_back_and_predictions_without_keep_their_bytes():
    (found,) = unpack_predictions(pack_predictions([grouped()]))
    assert found.group.dtype == np.int32
    assert found.group.tolist() == GROUP.tolist()
    assert unpack_predictions(pack_predictions([make_predictions()]))[0].group is None
    assert b"group" not in pack_predictions([make_predictions()])


@pytest.mark.parametrize("column", [GROUP.astype(np.float32), GROUP[:5]])
def test_a_damaged_column_of_groups_is_found(column: np.ndarray):
    tensors = safetensors.numpy.load(pack_predictions([grouped()]))
    with pytest.raises(DamagedError, match="'base' do not fit 6"):
        unpack_predictions(safetensors.numpy.save(tensors | {"base/group": column}))


def test_the_frame_gives_groups_in_the_order_of_correct_and_once_for_all_runs(tmp_path: Path):
    shards, store = Shards(tmp_path), Store(tmp_path)
    for seed in (1, 2):
        reversed_order = slice(None, None, -1 if seed == 2 else 1)
        item = grouped(seed=seed)
        columns = {name: getattr(item, name)[reversed_order] for name in item.__dataclass_fields__ if name != "split"}
        shards.write(make_record(make_spec(seed=seed)), [replace(item, **columns), make_predictions("new", classes=3)])
    shards.write(make_record(make_spec(seed=3)), [make_predictions(), make_predictions("new", classes=3)])
    store.ingest()
    frame = store.runs_frame(outcomes=True).set_index(["seed", "split"])
    first, second = frame["groups"][1, "base"], frame["groups"][2, "base"]
    assert first.tolist() == [2, 0, 3, 0, 4, 2], "each ungrouped image apart"
    assert first is second
    assert frame["images"][1, "base"] == frame["images"][2, "base"] == frame["images"][3, "base"]
    assert frame["groups"][3, "base"] is None, "a run without groups"
    assert frame["groups"][1, "new"] is None
    assert store.query("SELECT count(*) AS n FROM image_groups")["n"].tolist() == [1]
    for seed in (1, 2):
        shards.write(make_record(make_spec(seed=seed)), [make_predictions(), make_predictions("new", classes=3)])
    store.ingest()
    assert store.query("SELECT * FROM image_groups").empty, "they leave with their last run"


def test_groups_are_compared_with_those_of_the_data_and_may_be_absent():
    split = split_of("p9", "p1", None, "p9")
    item = predictions(split, torch.zeros(4, 2))
    truth = TrueLabels.of(split, "the dataset")
    assert truth.disagreement(item) is None
    assert truth.disagreement(replace(item, group=None)) is None, "an older run"
    other = replace(item, group=np.array([2, 1, 1, 2], np.int32))
    assert "groups of 1 of 4 images" in truth.disagreement(other)
    invented = TrueLabels.of(split_of(None, None, None, None), "the dataset").disagreement(item)
    assert "groups of 3 of 4 images" in invented
    assert TrueLabels(item.images, item.label, "an older run").disagreement(item) is None


@pytest.mark.parametrize("stored", [None, GROUP])
def test_a_repetition_with_the_same_groups_or_of_an_older_run_is_identical(stored: np.ndarray | None):
    record = make_record(make_spec(seed=1))
    items = [replace(make_predictions(), group=stored), make_predictions("new", classes=3)]
    now = [replace(items[0], group=GROUP), items[1]]
    verdict = judge_repetition(Shard(record, tuple(items)), record, now)
    assert not any("groups" in fault for fault in verdict.faults)
    wrong = judge_repetition(Shard(record, tuple(items)), record, [replace(now[0], group=GROUP[::-1].copy()), items[1]])
    assert any("groups" in fault for fault in wrong.faults) is (stored is not None)
    assert wrong.outcome is RepetitionOutcome.INVALID
