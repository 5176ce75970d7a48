import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from fake_runner import PROVENANCE, make_predictions, make_record, make_spec

from bench.results.run_diff import Cause, diff_runs
from bench.results.shards import Shard, Shards


def shard(predictions=None, provenance=None, **changes) -> Shard:
    record = make_record(make_spec(**changes), provenance=PROVENANCE.model_copy(update=provenance or {}))
    return Shard(record, predictions or (make_predictions("base"), make_predictions("new")))


def named(a: Shard, b: Shard) -> list[tuple[str, str]]:
    return [(str(item.cause), item.name) for item in diff_runs(a, b).differences]


def flipped(predictions, *places: int):
    predicted = predictions.predicted.copy()
    predicted[list(places)] = (predicted[list(places)] + 1) % 7
    return replace(predictions, predicted=predicted)


def test_a_run_does_not_differ_from_itself():
    found = diff_runs(shard(), shard())
    assert (found.differences, found.flips, found.notes) == ((), (), ())
    assert found.compared == {"base": 6, "new": 6}


def test_a_version_is_a_difference_and_a_digest_that_only_one_run_recorded_is_none():
    digest = shard(provenance={"method_digest": "m", "method_version": 1})
    assert PROVENANCE.method_version == 1
    assert named(digest, shard(provenance={"method_digest": None})) == []
    assert named(digest, shard(provenance={"method_digest": None, "method_version": 2})) == [("code", "method_version")]
    assert named(digest, shard(provenance={"method_digest": "n"})) == [("code", "method_digest")]


def test_one_template_is_named_first_with_exactly_the_flipped_images():
    base, new = make_predictions("base"), make_predictions("new")
    a = shard((base, new), config={"template": "a photo of a {}."})
    b = shard((flipped(base, 1, 4), new), config={"template": "{} texture."}, provenance={"git_commit": "abc"})
    found = diff_runs(a, b)
    first = found.differences[0]
    assert (first.cause, first.name) == (Cause.CONFIG, "template")
    assert (first.a, first.b) == ("a photo of a {}.", "{} texture.")
    assert [(flip.split, flip.image) for flip in found.flips] == [("base", base.images[1]), ("base", base.images[4])]
    assert named(a, b)[1] == ("code", "git_commit")


def test_text_is_what_is_left_where_only_the_fingerprint_differs():
    assert named(shard(), shard(task_fingerprint="g")) == [("text", "class names or template (task fingerprint)")]


def test_other_support_images_are_data_and_not_text():
    a, b = shard(provenance={"support_digests": ["1", "2"]}), shard(
        task_fingerprint="g", provenance={"support_digests": ["2", "3"]}
    )  # fmt: skip
    (found,) = diff_runs(a, b).differences
    assert (found.cause, found.name, found.a) == (Cause.DATA, "support images", "2 images, 1 of them in both")
    turned = shard(task_fingerprint="g", provenance={"support_digests": ["2", "1"]})
    assert named(a, turned) == [("data", "order of the support images")]


def test_another_pool_is_another_task_and_other_images_of_the_same_pool_are_data():
    assert ("task", "unlabelled") in named(shard(), shard(unlabelled="train"))
    assert ("task", "teacher") in named(shard(), shard(teacher=f"coop@b.c#01234567:{'0' * 32}"))
    a, b = (shard(unlabelled="train", provenance={"unlabelled_digest": digest}) for digest in ("1", "2"))
    assert named(a, b) == [("data", "unlabelled images")]


def test_other_test_images_and_labels_are_data():
    base = make_predictions("base")
    fewer = replace(base, images=("x", *base.images[1:]))
    assert named(shard((base,)), shard((fewer,))) == [("data", "test images, base")]
    relabelled = replace(base, label=(base.label + 1) % 7)
    assert named(shard((base,)), shard((relabelled,))) == [("data", "test labels, base")]


def test_causes_come_before_consequences():
    a = shard()
    b = shard(
        method="apex", recipe={"name": "published", "lr": 0.1}, seed=2, backbone="RN50.openai", config={"depth": 3},
        provenance={"device": "cuda", "packages": {"torch": "2"}, "method_digest": "n", "backbone_digest": "c"},
    )  # fmt: skip
    assert named(a, b) == [
        ("method", "method"), ("config", "depth"), ("config", "n_ctx"), ("recipe", "lr"), ("backbone", "backbone"),
        ("backbone", "weights"), ("task", "seed"), ("code", "method_digest"), ("environment", "device"),
        ("environment", "torch"),
    ]  # fmt: skip


def test_nested_settings_are_named_with_dots_and_absence_differs_from_null():
    a, b = (
        shard(recipe={"name": "x", "optimizer": {"lr": 1, "decay": None}}),
        shard(recipe={"name": "x", "optimizer": {"lr": 2}}),
    )
    assert named(a, b) == [("recipe", "optimizer.decay"), ("recipe", "optimizer.lr")]


def test_who_is_right():
    base = make_predictions("base", classes=7)
    right = replace(base, predicted=base.label.copy())
    wrong = replace(base, predicted=((base.label + 1) % 7).astype(np.int32))
    other = replace(base, predicted=((base.label + 2) % 7).astype(np.int32))
    assert {flip.right for flip in diff_runs(shard((right,)), shard((wrong,))).flips} == {"A"}
    assert {flip.right for flip in diff_runs(shard((wrong,)), shard((right,))).flips} == {"B"}
    assert {flip.right for flip in diff_runs(shard((wrong,)), shard((other,))).flips} == {"neither"}


def test_a_split_of_one_run_is_noted():
    found = diff_runs(shard((make_predictions("base"),)), shard((make_predictions("new"),)))
    assert found.notes == ("split base is in only one of the runs", "split new is in only one of the runs")


def test_the_command(tmp_path: Path, etl):
    base = make_predictions("base")
    a, b = shard((base,)), shard((flipped(base, 2),), config={"n_ctx": 16})
    for item in (a, b):
        Shards(tmp_path).write(item.record, item.predictions)

    def diff(*more: str) -> str:
        code, out, _ = etl("runs", "diff", *(item.record.run_id for item in (a, b)), "--runs", str(tmp_path), *more)
        assert code == 0
        return out

    assert "1 of 6 images are predicted" in diff()
    answer = json.loads(diff("--json"))
    assert answer["differences"] == [{"what": "config", "name": "n_ctx", "A": 4, "B": 16}]
    assert [flip["image"] for flip in answer["flips"]] == [base.images[2]]
