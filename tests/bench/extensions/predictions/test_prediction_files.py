"""Files of predictions are read without trust: what is wrong is named with its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bundle_files import rewritten
from outside_predictions import Outside

from bench.extensions.predictions.prediction_files import read_predictions
from datasets_registry import DataError

DIGEST = "ab" * 32


@pytest.fixture
def good() -> Outside:
    head = {
        "format": "clip-etl-bench predictions 1",
        "method": "Theirs",
        "dataset": "EuroSAT",
        "class_names": ["Forest", "River", "Sea"],
        "backbone": "ViT-B/16",
    }
    scores = np.array([[1.5, 0.25, -3.0], [0.0, 2.0, 1.0]])
    return Outside(head, ["a/1.jpg", "b/2.jpg"], [0, 1], scores, [DIGEST, DIGEST])


def refused(path: Path) -> str:
    with pytest.raises(DataError) as raised:
        read_predictions(path)
    message = str(raised.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message.removeprefix(str(path))


def test_a_file_is_read_with_what_it_leaves_out(good: Outside, tmp_path: Path) -> None:
    predictions = read_predictions(good.npz(tmp_path / "p.npz"))
    head = predictions.head
    assert (head.method, head.classes, head.trained, head.tests_so_far) == ("Theirs", "all", True, 1)
    assert predictions.keys == ("a/1.jpg", "b/2.jpg")
    assert predictions.labels.tolist() == [0, 1]
    assert predictions.scores.tolist() == good.scores.tolist()
    assert predictions.sha256 == (DIGEST, DIGEST)


def test_a_head_names_a_clip_or_another_model(good: Outside, tmp_path: Path) -> None:
    other = good.without("backbone").with_head(model="Talker 7B")
    assert read_predictions(other.npz(tmp_path / "p.npz")).head.model == "Talker 7B"
    for wrong in (good.without("backbone"), good.with_head(model="Talker 7B")):
        assert "backbone" in refused(wrong.npz(tmp_path / "p.npz"))
    assert "model in its head" in refused(other.with_head(model="v" * 300).npz(tmp_path / "p.npz"))


def test_digests_are_optional_and_further_keys_are_ignored(good: Outside, tmp_path: Path) -> None:
    plain = Outside(good.head | {"host": "gpu7"}, good.keys, good.labels, good.scores, None)
    assert read_predictions(plain.npz(tmp_path / "p.npz")).sha256 is None


def test_many_settings_are_refused(good: Outside, tmp_path: Path) -> None:
    many = good.with_head(settings={str(n): n for n in range(20_000)})
    assert "20000 settings; at most 10000 are allowed" in refused(many.npz(tmp_path / "p.npz"))


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    assert "such file or directory" in refused(path)
    for content in (b"", b"some text\n", b'{"format": "predictions 2"}\n'):
        path.write_bytes(content)
        assert "is not a file of predictions: " in refused(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"class_names": ["Forest"]}, "class_names in its head: "),
        ({"classes": "half"}, "classes in its head: "),
        ({"backbone_sha256": "abc"}, "backbone_sha256 in its head: "),
        ({"method": ""}, "method in its head: "),
        ({"method": "two\nlines"}, "method in its head: "),
        ({"seed": -1}, "seed in its head: "),
        ({"train": [["a/1.jpg"]]}, "train.0"),
        ({"tests_so_far": 0}, "tests_so_far in its head: "),
        ({"class_names": ["Forest", "River"]}, " has 3 scores per image and 2 class names."),
        ({"class_names": ["Forest", "River", "Sea", "Lake"]}, " has 3 scores per image and 4 class names."),
    ],
)
def test_a_wrong_head_is_refused(good: Outside, changes: dict[str, object], message: str, tmp_path: Path) -> None:
    assert message in refused(good.with_head(**changes).npz(tmp_path / "p.npz"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"keys": np.array(["a/1.jpg"])}, " has 1 keys and {'labels': 2, 'scores': 2, 'sha256': 2} entries"),
        ({"labels": np.array([0, 1, 1])}, " has 2 keys and {'labels': 3} entries"),
        ({"labels": np.array([0.0, 1.0])}, "its arrays must be keys (texts), labels (whole numbers) and scores"),
        ({"labels": np.array([0, 7])}, "has labels outside 0..2"),
        ({"keys": np.array([1, 2])}, "its arrays must be keys (texts)"),
        ({"scores": np.zeros(6)}, "its arrays must be keys (texts)"),
        ({"scores": np.zeros((2, 3, 1))}, "its arrays must be keys (texts)"),
        ({"scores": np.zeros((2, 3), dtype=np.complex128)}, "its arrays must be keys (texts)"),
        *(
            ({"scores": np.array([[0.0, 0.0, 0.0], [0.0, 0.0, far]])}, "beyond 1e+30, first of 'b/2.jpg'")
            for far in (np.nan, np.inf, -np.inf, 1e31)
        ),
        ({"head": np.array("[]")}, "in its head: "),
        ({"head": np.array(["{}", "{}"])}, "is not a file of predictions"),
        ({"sha256": np.array([DIGEST])}, "'sha256': 1"),
        ({"keys": np.array([], dtype=str), "labels": np.array([], dtype=int), "sha256": np.array([], dtype=str),
          "scores": np.zeros((0, 3))}, " has a head and no image."),
    ],
)  # fmt: skip
def test_wrong_arrays_are_refused(good: Outside, changes: dict[str, np.ndarray], message: str, tmp_path: Path) -> None:
    assert message in refused(good.npz(tmp_path / "p.npz", **changes))


def test_pickled_objects_are_never_loaded(good: Outside, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self):
            return Path.touch, (tmp_path / "executed",)

    path = good.npz(tmp_path / "p.npz", keys=np.array([Trap(), Trap()], dtype=object))
    refused(path)
    assert not (tmp_path / "executed").exists()


def test_a_damaged_archive_is_refused(good: Outside, tmp_path: Path) -> None:
    path = good.npz(tmp_path / "p.npz")
    content = path.read_bytes()
    for cut in (0, 1, 100, len(content) // 2, len(content) - 5):
        path.write_bytes(content[:cut])
        refused(path)
    refused(rewritten(good.npz(path), lambda members: members.update({"head.npy": b"nothing of numpy"})))
    np.savez(path, keys=np.array(["a"]))
    assert "array head, labels, scores" in refused(path)


DAMAGED = ["{'descr': '<U4', 'fortran_order': False, 'shape': (2,", "{", "[1]", "(" * 60, "{1: 2}"]
UNSIZED = [f"{{'descr': '<U0', 'fortran_order': False, 'shape': ({n},), }}" for n in (10_000_000_000, -1)]
"""Texts without a length: a file of some hundred bytes could state ten thousand million of them."""


@pytest.mark.parametrize(
    ("header", "message"), [*((text, "") for text in DAMAGED), *((text, "items without a size") for text in UNSIZED)]
)
def test_a_damaged_header_is_refused(good: Outside, header: str, message: str, tmp_path: Path) -> None:
    text = header.encode().ljust(118) + b"\n"
    keys = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text
    path = rewritten(good.npz(tmp_path / "p.npz"), lambda members: members.update({"keys.npy": keys}))
    assert message in refused(path)


@pytest.mark.parametrize("n", [300, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def test_a_mutant_is_read_or_refused_in_one_line(good: Outside, n: int, tmp_path: Path) -> None:
    path = good.npz(tmp_path / "p.npz")
    content, draw = path.read_bytes(), np.random.default_rng(7)
    for _ in range(n):
        mutant = bytearray(content)
        for place in draw.integers(len(mutant), size=draw.integers(1, 4)):
            mutant[place] = draw.integers(256)
        if draw.random() < 0.3:
            start = draw.integers(len(mutant))
            del mutant[start : start + draw.integers(1, 40)]
        path.write_bytes(mutant)
        said = ""
        try:
            read_predictions(path)
        except DataError as error:
            said = str(error)
        assert "\n" not in said
        assert len(said) < 1000
