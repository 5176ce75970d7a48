"""The audit of a dataset finds planted copies and a planted wrong label, and computes features once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from leaky_dataset import COPIES, MISLABELLED, write_leaky_dataset

from bench import UsageError, audit_dataset
from bench.api import DEMO_BACKBONE, add_features
from bench.api.auditing import audit_findings
from bench.experiment import DatasetAudit
from datasets_registry import DATASETS


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("leaky")
    write_leaky_dataset(root / "data")
    return root


@pytest.fixture(scope="module")
def audit(root: Path) -> DatasetAudit:
    return audit_dataset("eurosat", backbone=DEMO_BACKBONE, data_root=root / "data", cache=root / "cache", device="cpu")


def test_every_planted_copy_is_named_and_no_other_pair(audit: DatasetAudit) -> None:
    assert audit.near_duplicates is not None
    found = {frozenset((pair.image.key, pair.other.key)) for pair in audit.near_duplicates}
    planted = {frozenset((key, source)) for key, (source, how) in COPIES.items() if how != "bytes"}
    assert found == planted, "equal files found elsewhere"
    for pair in audit.near_duplicates:
        assert pair.image.part == "test"
        assert pair.image.label == pair.image.key.partition("/")[0]
    assert (audit.images, audit.test_images) == (61, 33)


def test_the_wrong_label_is_named_with_the_right_one(audit: DatasetAudit) -> None:
    first = audit.suspects[0]
    assert (first.image.key, first.image.label, first.suggested) == (MISLABELLED, "sea", "field")
    assert first.suggested_probability > 0.9 > first.label_probability
    assert len(audit.suspects) <= 3
    assert audit.judged == 61


def test_a_backbone_that_separates_the_classes_poorly_judges_no_label(audit: DatasetAudit) -> None:
    assert [finding.code for finding in audit_findings(audit)] == ["near-duplicates", "suspect-labels"]
    weak = replace(audit, accuracy=0.59, near_duplicates=())
    (finding,) = audit_findings(weak)
    assert (finding.code, "59 % agree" in finding.text) == ("not-judged", True)
    assert audit_findings(replace(audit, suspects=(), near_duplicates=None)) == ()


def test_features_are_those_of_the_cache(audit: DatasetAudit, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bench.experiment.features import inputs

    inputs.load_inputs.cache_clear()
    monkeypatch.setattr(inputs.Inputs, "_render", lambda *_: pytest.fail("an image was encoded again"))
    again = audit_dataset(
        "eurosat", backbone=DEMO_BACKBONE, data_root=root / "data", cache=root / "cache", device="cpu"
    )
    assert again == audit


def test_imported_features_have_labels_but_no_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETL_BENCH_DATASETS", str(tmp_path / "own"))
    rng = np.random.default_rng(0)
    texts = 3 * rng.normal(size=(3, 16)).astype(np.float32)
    arrays = {"text_features": texts}
    for part in ("train", "test"):
        labels = np.arange(30) % 3
        arrays[f"{part}_features"] = texts[labels] + rng.normal(size=(30, 16)).astype(np.float32)
        arrays[f"{part}_labels"] = np.where(np.arange(30) == 4, 2, labels) if part == "train" else labels
    np.savez(tmp_path / "features.npz", **arrays)
    (tmp_path / "classes.txt").write_text("crow\ngull\njay")
    classes = tmp_path / "classes.txt"
    bundle = add_features("bird_features", tmp_path / "features.npz", backbone="mine", classes=classes)
    DATASETS.add("bird_features", bundle.info())
    try:
        found = audit_dataset("bird_features", backbone="features.mine", cache=tmp_path / "cache", device="cpu")
        assert found.near_duplicates is None
        assert [(one.image.key, one.suggested) for one in found.suspects] == [("train/4", "gull")]
        with pytest.raises(UsageError, match=r"made with features\.mine"):
            audit_dataset("bird_features", backbone=DEMO_BACKBONE, cache=tmp_path / "cache", device="cpu")
        with pytest.raises(UsageError, match="features of imported datasets"):
            audit_dataset("eurosat", backbone="features.mine", data_root=tmp_path, device="cpu")
    finally:
        DATASETS.remove("bird_features")
