"""A forger's kit: bundles made by one change each of an honest one, with every checksum and score made to fit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundle_files import ids, rewritten
from fake_runner import answered, make_record, make_spec, relabelled, rescored
from places import FIXTURES

from bench import load_results
from bench.analysis.leaderboard_building import board_settings, build_leaderboard
from bench.errors import BundleError, ShardError
from bench.experiment.bundle_import import import_results
from bench.record import Predictions
from bench.results import table_rows
from bench.results.bundles import export_bundle
from bench.results.checksummed_json import SHARD_VERSION, encode_document
from bench.results.database import fresh_store, refusal, scratch_database
from bench.results.shards import Shard, Shards, parse_shard


@dataclass
class Forged:
    """A run as plain JSON and its predictions; the scores are made to fit after the change."""

    record: dict[str, Any]
    predictions: list[Predictions]

    @property
    def base(self) -> Predictions:
        return self.predictions[0]

    def change(self, **columns: Any) -> None:
        """Replace columns of the first split."""
        self.predictions[0] = replace(self.base, **columns)


def text(place: str, value: Any) -> Callable[[Forged], None]:
    """Set one value of the record, at a dotted place."""

    def set_value(forged: Forged) -> None:
        *parents, last = [int(part) if part.isdecimal() else part for part in place.split(".")]
        target: Any = forged.record
        for part in parents:
            target = target[part]
        target[last] = value

    return set_value


def column(name: str, value: Callable[[Predictions], Any]) -> Callable[[Forged], None]:
    """Set one column of the predictions of the first split."""
    return lambda forged: forged.change(**{name: value(forged.base)})


def all_right(forged: Forged) -> None:
    """The true labels become what was predicted."""
    forged.predictions[0] = relabelled(forged.base)


def easy_images(forged: Forged) -> None:
    """Only the images that were classified correctly stay, and one more."""
    keep = np.arange(len(forged.base.images)) < 4
    names = ("label", "predicted", "rank", "true_logit", "log_sum_exp", "sum_p2", "top_labels", "top_logits")
    images = tuple(image for image, kept in zip(forged.base.images, keep, strict=True) if kept)
    forged.change(images=images, **{name: getattr(forged.base, name)[keep] for name in names})


def drop_split(forged: Forged) -> None:
    del forged.predictions[1], forged.record["scores"][1]


def first_changed(values: np.ndarray, value: float) -> np.ndarray:
    changed = values.copy()
    changed.flat[0] = value
    return changed


CONTROL = "\x1b]0;owned\x07\x1b[2J"
RECORD = {
    "a method with control characters": (text("spec.method", CONTROL), "spec.method"),
    "a method of 200,000 characters": (text("spec.method", "a" * 200_000), "spec.method"),
    "a method that is markup": (text("spec.method", "<script>"), "spec.method"),
    "a method without a name": (text("spec.method", ""), "spec.method"),
    "a backbone of a lone surrogate": (text("spec.backbone", "a\ud800"), "altered|UTF-8|surrogate"),
    "a setting with control characters": (text("spec.config.note", CONTROL), "spec.config"),
    "a setting that is no number": (text("spec.config.note", float("nan")), "spec.config"),
    "settings nested deeply": (text("spec.config.note", json.loads("[" * 60 + "]" * 60)), "spec.config"),
    "shots beyond any": (text("spec.shots", 1e30), "spec.shots"),
    "shots below none": (text("spec.shots", -1), "spec.shots"),
    "a seed beyond the database": (text("spec.seed", 2**63), "spec.seed"),
    "a cost that is no number": (text("cost.train_seconds", float("nan")), "cost.train_seconds"),
    "a negative cost": (text("cost.eval_seconds", -1.0), "cost.eval_seconds"),
    "more parameters than fit": (text("cost.trainable_parameters", 10**30), "cost.trainable_parameters"),
    "a date of the year 1": (text("created_at", "0001-01-01T00:00:00+14:00"), "created_at"),
    "an epoch before the first": (text("selected_epoch", 0), "selected_epoch"),
    "optimism above one": (text("scores.0.optimism", 7.0), "scores.0.optimism"),
    "optimism without an oracle": (text("scores.0.optimism", 0.1), "optimism"),
    "another field": (text("verified", True), "verified"),
    "a newer version": (text("schema_version", "x"), "schema_version"),
}
PREDICTIONS = {
    "true labels edited": (all_right, r"base: the true labels of \d of 6 images are not those of run"),
    "hard images left out": (easy_images, "base: its test images are not those of run"),
    "a split left out": (drop_split, "the spec requires base, new"),
    "an image twice": (column("images", lambda b: (b.images[1], *b.images[1:])), "listed more than once"),
    "images renamed": (column("images", lambda b: tuple(f"x/{i}" for i in b.images)), "true labels of|images"),
    "an image with control characters": (
        column("images", lambda b: (CONTROL, *b.images[1:])), "key of an image contains control",
    ),
    "an image without a name": (column("images", lambda b: ("", *b.images[1:])), "key of an image is empty"),
    "log-sums too small": (column("log_sum_exp", lambda b: b.top_logits[:, 0] - 0.5), "log-sums are impossible"),
    "log-sums too large": (column("log_sum_exp", lambda b: b.log_sum_exp + 5), "log-sums are impossible"),
    "a log-sum that is no number": (
        column("log_sum_exp", lambda b: first_changed(b.log_sum_exp, np.nan)), "log_sum_exp is not finite|nll",
    ),
    "squared probabilities above one": (column("sum_p2", lambda b: b.sum_p2 + 1), "squared probabilities are imp"),
    "squared probabilities of none": (column("sum_p2", lambda b: 0 * b.sum_p2), "squared probabilities are impossible"),
    "true logits raised": (column("true_logit", lambda b: b.top_logits[:, 0].copy()), "logits of the true classes"),
    "ranks all first": (column("rank", lambda b: 0 * b.rank), "ranks of the true classes contradict"),
    "ranks beyond the classes": (column("rank", lambda b: first_changed(b.rank, 7)), "ranks are not all in 0..6"),
    "a class below the first": (column("label", lambda b: first_changed(b.label, -1)), "classes are not all in 0..6"),
    "one top class five times": (
        column("top_labels", lambda b: np.repeat(b.predicted[:, None], 5, axis=1)), "top classes",
    ),
    "top logits that rise": (
        column("top_logits", lambda b: np.concatenate([b.top_logits[:, :1], b.top_logits[:, :0:-1]], axis=1)),
        "top logits of an image do not fall",
    ),
    "fewer top classes": (column("top_labels", lambda b: b.top_labels[:, :3]), r"top_labels has shape \(6, 3\)"),
    "a group beyond any": (column("group", lambda b: b.label + 2**30), r"numbers of groups are not all in -1\.\."),
    "a group below none": (column("group", lambda b: first_changed(b.label, -2)), "numbers of groups are not all in"),
    "predictions that are not on top": (column("predicted", lambda b: b.label.copy()), "not those with the highest"),
}  # fmt: skip


def forge(folder: Path, change: Callable[[Forged], None], seed: int = 1) -> Path:
    """A bundle with the changed run, and whatever follows from it recomputed."""
    record, predictions = answered(seed)
    forged = Forged(record.model_dump(mode="json"), predictions)
    change(forged)
    scores = []
    for item, score in zip(forged.predictions, forged.record["scores"], strict=True):
        try:
            scores.append(
                score | {k: v for k, v in rescored(item, score["n_classes"]).model_dump().items() if k in FITTED}
            )
        except (ValueError, IndexError):  # no score follows from these columns
            scores.append(score | {"n": len(item.images)})
    if change in [entry[0] for entry in PREDICTIONS.values()]:
        forged.record["scores"] = scores
    shards = Shards(folder / "forged")
    shards.write(record, forged.predictions)
    bundle = folder / "forged.zip"
    export_bundle(shards, ids(shards), bundle)
    return rewritten(bundle, lambda files: refit(files, forged.record))


FITTED = ("accuracy", "macro_accuracy", "macro_precision", "nll", "brier", "ece", "n")


def refit(files: dict[str, bytes], record: dict[str, Any]) -> None:
    """Put the changed record into a bundle, with its checksum."""
    name = next(name for name in files if name.startswith("shards/") and name.endswith(".json"))
    document = json.loads(files[name])
    files[name] = encoded({key: value for key, value in document.items() if not key.startswith("record")}, record)


def encoded(document: dict[str, Any], record: dict[str, Any]) -> bytes:
    try:
        return encode_document(document, record)
    except UnicodeEncodeError:  # written with escapes, which is JSON as well
        return json.dumps(document | {"record": record, "record_sha256": ""}).encode()


@pytest.mark.parametrize("name", RECORD)
def test_a_record_with_an_impossible_value_is_refused_for_its_reason(name: str) -> None:
    change, said = RECORD[name]
    forged = Forged(make_record(make_spec()).model_dump(mode="json"), [])
    change(forged)
    document = {"shard_version": SHARD_VERSION, "predictions_bytes": 0, "predictions_sha256": None}
    with pytest.raises(ShardError, match=said) as refused:
        parse_shard(encoded(document, forged.record), None)
    assert len(str(refused.value)) < 2000
    assert str(refused.value).isprintable(), "one printable line"


@pytest.mark.parametrize("name", [*PREDICTIONS, "a method with control characters", "a backbone of a lone surrogate"])
def test_every_forgery_is_refused_for_its_reason_and_nothing_is_taken(tmp_path: Path, name: str) -> None:
    change, said = (RECORD | PREDICTIONS)[name]
    ours = Shards(tmp_path / "ours")
    ours.write(*answered(2))
    before = {path: path.read_bytes() for path in ours.runs.rglob("*") if path.is_file()}
    with pytest.raises(BundleError, match=said) as refused:
        import_results(ours, forge(tmp_path, change))
    assert str(refused.value).isprintable(), "one printable line"
    assert {path: path.read_bytes() for path in ours.runs.rglob("*") if path.is_file()} == before


def test_an_unchanged_bundle_is_taken_and_marked_until_it_is_verified(tmp_path: Path) -> None:
    ours = Shards(tmp_path / "ours")
    done = import_results(ours, forge(tmp_path, lambda forged: None))
    runs = fresh_store(ours.runs).runs_frame()
    assert runs["imported"].all()
    board = build_leaderboard(runs, board_settings(runs)[0])
    assert board.entries[0].imported == "1 of 1 run"
    assert "imported, not verified: coop" in " ".join(load_results(ours.runs).leaderboard().notes)
    ours.note_verified(done.added[0])
    assert not fresh_store(ours.runs).runs_frame()["imported"].any()


def test_two_runs_of_a_bundle_must_agree_on_their_labels(tmp_path: Path) -> None:
    theirs = Shards(tmp_path / "theirs")
    theirs.write(*answered(1))
    record, predictions = answered(2)
    forged = Forged({}, predictions)
    all_right(forged)
    scores = [rescored(item, classes) for item, classes in zip(forged.predictions, (7, 3), strict=True)]
    theirs.write(record.model_copy(update={"scores": scores}), forged.predictions)
    export_bundle(theirs, ids(theirs), tmp_path / "b.zip")
    with pytest.raises(BundleError, match=r"true labels of \d of 6"):
        import_results(Shards(tmp_path / "ours"), tmp_path / "b.zip")


def test_groups_must_be_those_of_the_runs_on_the_same_data(tmp_path: Path) -> None:
    """Runs from before there were groups agree with any."""
    ours = Shards(tmp_path / "ours")
    ours.write(*answered(3))
    record, (base, new) = answered(2)
    ours.write(record, [replace(base, group=np.array([0, 0, 0, 1, 1, 1], np.int32)), new])
    one_group = forge(tmp_path, column("group", lambda b: 0 * b.label))
    with pytest.raises(BundleError, match="groups of 3 of 6 images"):
        import_results(ours, one_group)
    assert len(import_results(ours, forge(tmp_path / "older", lambda forged: None)).added) == 1


@pytest.fixture(scope="module")
def real_run(tmp_path_factory: pytest.TempPathFactory) -> Shard:
    """A run on a synthetic dataset, whose data are known."""
    theirs = Shards(tmp_path_factory.mktemp("theirs"))
    (run_id,) = import_results(theirs, FIXTURES / "stored_runs" / "bundle.zip").added
    return theirs.read(run_id)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (column("group", lambda b: 0 * b.label), r"groups of \d+ of \d+ images"),
        (all_right, r"true labels of \d+ of \d+"),
        (easy_images, "images are not those"),
    ],
)
def test_predictions_are_compared_with_the_data_on_disk(
    tmp_path: Path, real_run: Shard, change: Callable[[Forged], None], said: str
) -> None:
    """Without another run on the task, the synthetic dataset itself contradicts them."""
    forged = Forged({}, list(real_run.predictions))
    change(forged)
    scores = [rescored(forged.base, real_run.record.scores[0].n_classes)]
    edited = Shards(tmp_path / "edited")
    edited.write(real_run.record.model_copy(update={"scores": scores}), forged.predictions)
    export_bundle(edited, ids(edited), tmp_path / "edited.zip")
    with pytest.raises(BundleError, match=said):
        import_results(Shards(tmp_path / "ours"), tmp_path / "edited.zip")


def test_each_split_of_honest_runs_is_compared_with_its_own_data(tmp_path: Path) -> None:
    """Base, new and open splits of one dataset have different images and labels."""
    shutil.copytree(FIXTURES / "stored_runs", tmp_path / "theirs")
    theirs = Shards(tmp_path / "theirs")
    (run_id,) = ids(theirs)
    assert {item.split for item in theirs.read(run_id).predictions} == {"base", "new", "open-base", "open-new"}
    export_bundle(theirs, [run_id], tmp_path / "b.zip")
    assert import_results(Shards(tmp_path / "ours"), tmp_path / "b.zip").added == (run_id,)


def test_a_run_that_does_not_load_is_named_and_the_others_show(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ours = Shards(tmp_path)
    ours.write(*answered(1))
    bad = make_spec(seed=2).model_copy(update={"shots": 10**30})
    record = make_record(make_spec(seed=2)).model_copy(update={"spec": bad, "run_id": bad.run_id})
    ours.write(record)
    bad_cost = make_record(make_spec(seed=3))
    ours.write(bad_cost.model_copy(update={"cost": bad_cost.cost.model_copy(update={"train_seconds": float("nan")})}))
    assert set(fresh_store(tmp_path).runs_frame()["seed"]) == {1}
    for run_id in (bad.run_id, bad_cost.run_id):
        assert f"Left out: run {run_id}" in caplog.text
    assert len(ours.scan()) == 3, "nothing was deleted"


def test_a_run_that_the_database_refuses_is_named_and_the_others_show(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value that the model allows and the database does not."""
    ours = Shards(tmp_path)
    for seed in (1, 2, 3):
        ours.write(*answered(seed))
    plain = table_rows._run_row

    def too_large(shard: Shard, stamp: str) -> dict[str, object]:
        return plain(shard, stamp) | ({"shots": 2**40} if shard.record.spec.seed == 2 else {})

    export_bundle(ours, ids(ours), tmp_path / "b.zip")
    monkeypatch.setattr(table_rows, "_run_row", too_large)
    with pytest.raises(BundleError, match=f"run {make_spec(seed=2).run_id}, it does not load into a database"):
        import_results(Shards(tmp_path / "theirs"), tmp_path / "b.zip")
    assert not (tmp_path / "theirs").exists()
    assert set(fresh_store(tmp_path).runs_frame()["seed"]) == {1, 3}
    assert f"Left out: run {make_spec(seed=2).run_id}, which the database refuses" in caplog.text


def test_a_run_that_was_tried_does_not_stay_in_the_scratch_database() -> None:
    record, predictions = answered(1)
    with scratch_database() as scratch:
        assert refusal(scratch, Shard(record, tuple(predictions))) is None
        assert [scratch.table(name).shape[0] for name in ("runs", "scores", "predictions")] == [0, 0, 0]
