"""Files of predictions are read without trust: what is wrong is named with its place."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
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


@pytest.mark.parametrize("content", [b"", b"some text\n", b'{"format": "predictions 2"}\n'])
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_bytes(content)
    assert "is not a file of predictions: " in refused(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert "such file or directory" in refused(tmp_path / "p.npz")


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


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e31])
def test_scores_that_are_not_finite_are_refused(good: Outside, value: float, tmp_path: Path) -> None:
    scores = good.scores.copy()
    scores[1, 2] = value
    message = refused(good.npz(tmp_path / "p.npz", scores=scores))
    assert "beyond 1e+30, first of 'b/2.jpg'" in message


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
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("head.npy", b"nothing of numpy")
    refused(path)
    np.savez(path, keys=np.array(["a"]))
    assert "array head, labels, scores" in refused(path)


@pytest.mark.parametrize(
    "header", ["{'descr': '<U4', 'fortran_order': False, 'shape': (2,", "{", "[1]", "(" * 60, "{1: 2}"]
)
def test_a_damaged_header_is_refused(good: Outside, header: str, tmp_path: Path) -> None:
    with_header(good, tmp_path / "p.npz", header)
    refused(tmp_path / "p.npz")


@pytest.mark.parametrize("shape", ["(10000000000,)", "(-1,)"])
def test_texts_without_a_length_are_refused(good: Outside, shape: str, tmp_path: Path) -> None:
    """A file of some hundred bytes could state ten thousand million of them."""
    with_header(good, tmp_path / "p.npz", f"{{'descr': '<U0', 'fortran_order': False, 'shape': {shape}, }}")
    assert "items without a size" in refused(tmp_path / "p.npz")


def with_header(good: Outside, path: Path, header: str) -> None:
    """A file whose keys have another header."""
    good.npz(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    text = header.encode().ljust(118) + b"\n"
    members["keys.npy"] = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def outcome(path: Path) -> str:
    """Why a file is refused; empty if it is read."""
    try:
        read_predictions(path)
    except DataError as error:
        return str(error)
    return ""


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
        said = outcome(path)
        assert "\n" not in said
        assert len(said) < 1000
