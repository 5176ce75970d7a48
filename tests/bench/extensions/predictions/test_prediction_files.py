"""Files of predictions are read without trust: what is wrong is named with its place."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from one_case import for_each
from outside_predictions import Outside

from bench.extensions.forks import PredictionsError, prediction_files
from bench.extensions.forks.prediction_files import matched_classes, read_predictions, scores_of_named

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
    with pytest.raises(PredictionsError) as raised:
        read_predictions(path)
    message = str(raised.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message.removeprefix(str(path))


def test_both_kinds_have_the_same_content(good: Outside, tmp_path: Path) -> None:
    lines, arrays = good.jsonl(tmp_path / "p.jsonl"), good.npz(tmp_path / "p.npz")
    for found in map(read_predictions, (lines, arrays)):
        assert found.head.method == "Theirs"
        assert (found.head.classes, found.head.trained, found.head.tests_so_far) == ("all", True, 1)
        assert found.keys == ("a/1.jpg", "b/2.jpg")
        assert found.labels.tolist() == [0, 1]
        assert found.scores is not None
        assert found.scores.tolist() == good.scores.tolist()
        assert found.sha256 == (DIGEST, DIGEST)
    assert read_predictions(lines).digest != read_predictions(arrays).digest


def test_a_head_names_a_clip_or_another_model(good: Outside, tmp_path: Path) -> None:
    other = good.without("backbone").with_head(
        model="Talker 7B", weights="v1", decoding="greedy", date="May", prompt="?"
    )
    head = read_predictions(other.npz(tmp_path / "p.npz")).head
    assert (head.backbone, head.model, head.weights, head.service) == ("", "Talker 7B", "v1", "")
    for wrong in (good.without("backbone"), good.with_head(model="Talker 7B")):
        assert "backbone" in refused(wrong.jsonl(tmp_path / "p.jsonl"))
    assert "weights in its head" in refused(other.with_head(weights="v" * 300).jsonl(tmp_path / "p.jsonl"))


@for_each(("prompts", "stated", "expected"), [("??", "", "?"), ("?!", "", ""), ("??", "own", "own"), ("  ", "", "")])
def test_a_prompt_that_all_lines_have_is_that_of_the_run(
    prompts: str, stated: str, expected: str, good: Outside, tmp_path: Path
) -> None:
    def worded(row: dict[str, object]) -> dict[str, object]:
        place = int(str(row["label"]))
        return {"key": row["key"], "label": row["label"], "prompt": f" {prompts[place]}\n", "answer": "Forest"}

    path = good.with_head(prompt=stated).jsonl(tmp_path / "p.jsonl", worded)
    assert read_predictions(path).head.prompt == expected


def test_digests_are_optional_and_further_keys_are_ignored(good: Outside, tmp_path: Path) -> None:
    plain = Outside(good.head | {"host": "gpu7"}, good.keys, good.labels, good.scores, None)
    assert read_predictions(plain.jsonl(tmp_path / "p.jsonl")).sha256 is None
    assert read_predictions(plain.npz(tmp_path / "p.npz")).sha256 is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a file of predictions: it is empty"),
        (b"some text\n", "is not a file of predictions: "),
        (b"{}\n", "format in its head: Field required"),
        (b'{"format": "predictions 2"}\n', "format in its head: "),
        (b"\xff\xfe\x00", "is not a file of predictions: it is not text."),
        (b"[" * 100_000, "is not a file of predictions: "),
    ],
)
def test_other_files_are_refused(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_bytes(content)
    assert message in refused(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert "such file or directory" in refused(tmp_path / "p.jsonl")
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
    wrong = good.with_head(**changes)
    assert message in refused(wrong.jsonl(tmp_path / "p.jsonl"))
    assert message in refused(wrong.npz(tmp_path / "p.npz"))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"label": 3}, "has labels outside 0..2, the positions of its 3 class names."),
        ({"label": -1}, "line 2: label is not the position of a class name"),
        ({"label": True}, "line 2: label is True, not a whole number"),
        ({"label": 1.0}, "line 2: label is 1.0, not a whole number"),
        ({"label": 10**400}, "line 2: label is not the position of a class name"),
        ({"key": 7}, "line 2: key is 7, not a text"),
        ({"scores": [1.0, float("nan"), 2.0]}, "the scores of 1 of 2 images are not finite"),
        ({"scores": [1.0, "1e9", 2.0, []]}, "line 2: "),
        ({"scores": ["x", "y", "z"]}, "line 2: "),
        ({"scores": ["1", "2", "3"]}, "line 2: scores has '1', not a number"),
        ({"scores": [True, 2.0, 3.0]}, "line 2: scores has True, not a number"),
        ({"key": "k" * 500_000}, "line 2: key has 500000 characters; at most 4000 are read"),
        ({"key": ["k" * 500_000]}, "…, not a text"),
        ({"scores": [[1.0, 2.0, 3.0]]}, "different numbers of scores"),
        ({"scores": []}, "different numbers of scores"),
        ({"scores": [1.0, 2.0]}, "different numbers of scores"),
        ({"scores": {"a": 1}}, "line 2: "),
    ],
)
def test_a_wrong_line_is_refused(good: Outside, row: dict[str, object], message: str, tmp_path: Path) -> None:
    first = good.keys[0]
    path = good.jsonl(tmp_path / "p.jsonl", lambda one: one | row if one["key"] == first else one)
    assert message in refused(path)


@pytest.mark.parametrize("key", ["key", "label", "scores"])
def test_a_line_without_a_field_is_refused(good: Outside, key: str, tmp_path: Path) -> None:
    path = good.jsonl(tmp_path / "p.jsonl", lambda one: {k: v for k, v in one.items() if k != key})
    assert f"line 2: it has no '{key}'" in refused(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e31])
def test_scores_that_are_not_finite_are_refused(good: Outside, value: float, tmp_path: Path) -> None:
    scores = good.scores.copy()
    scores[1, 2] = value
    message = refused(good.npz(tmp_path / "p.npz", scores=scores))
    assert "beyond 1e+30, first of 'b/2.jpg'" in message


def test_a_number_that_is_too_large_for_its_type_is_refused(good: Outside, tmp_path: Path) -> None:
    text = good.jsonl(tmp_path / "p.jsonl").read_text().replace("-3.0", "1e999")
    path = tmp_path / "huge.jsonl"
    path.write_text(text)
    refused(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"keys": np.array(["a/1.jpg"])}, " has 1 keys and {'labels': 2, 'sha256': 2, 'scores': 2} entries"),
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


def test_a_name_given_twice_is_refused(good: Outside, tmp_path: Path) -> None:
    path = good.jsonl(tmp_path / "p.jsonl")
    path.write_text(path.read_text().replace('"label": 0', '"label": 1, "label": 0'))
    assert "line 2: an object gives one name twice" in refused(path)


def test_messages_are_short_however_long_the_value_is(good: Outside, tmp_path: Path) -> None:
    path = good.jsonl(tmp_path / "p.jsonl", lambda one: one | {"label": "x" * 500_000})
    assert len(refused(path)) < 500


def test_long_answers_and_many_settings_are_refused(good: Outside, tmp_path: Path) -> None:
    def answered(row: dict[str, object]) -> dict[str, object]:
        return {"key": row["key"], "label": row["label"], "answer": "sea " * 10_000}

    assert "answer has 40000 characters" in refused(good.jsonl(tmp_path / "p.jsonl", answered))
    many = good.with_head(settings={str(n): n for n in range(20_000)})
    assert "20000 settings; at most 10000 are allowed" in refused(many.npz(tmp_path / "p.npz"))


def test_lines_are_bounded(good: Outside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = good.jsonl(tmp_path / "p.jsonl")
    monkeypatch.setattr(prediction_files, "MOST_IMAGES", 10)
    path.write_bytes(path.read_bytes() + 30 * b"\n")
    assert "it has more than 20 lines" in refused(path)
    monkeypatch.setattr(prediction_files, "LARGEST_LINE", 100)
    assert "line 1 has more than 100 bytes" in refused(path)


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
    except PredictionsError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("n", [300, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
@pytest.mark.parametrize("kind", ["npz", "jsonl"])
def test_a_mutant_is_read_or_refused_in_one_line(good: Outside, kind: str, n: int, tmp_path: Path) -> None:
    path = good.npz(tmp_path / "p.npz") if kind == "npz" else good.jsonl(tmp_path / "p.jsonl")
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


def test_an_npz_with_another_name_is_named_as_no_text(good: Outside, tmp_path: Path) -> None:
    path = good.npz(tmp_path / "p.npz").rename(tmp_path / "p.jsonl")
    assert "not a file of predictions" in refused(path)


def test_answers_take_the_place_of_scores(good: Outside, tmp_path: Path) -> None:
    answers = {"a/1.jpg": "It is a FOREST.", "b/2.jpg": "a river or the sea"}

    def worded(row: dict[str, object]) -> dict[str, object]:
        return {"key": row["key"], "label": row["label"], "prompt": "What?", "answer": answers[str(row["key"])]}

    found = read_predictions(good.jsonl(tmp_path / "p.jsonl", worded))
    assert found.scores is None
    assert found.answers == ("It is a FOREST.", "a river or the sea")
    mixed = good.jsonl(tmp_path / "m.jsonl", lambda row: worded(row) if row["label"] else row)
    assert "scores and others answers" in refused(mixed)
    wrong = good.jsonl(tmp_path / "w.jsonl", lambda row: worded(row) | {"answer": 3})
    assert "2: answer is 3, not a text" in refused(wrong)


@for_each(
    ("answer", "expected"),
    [
        ("It is a 737-200!", 1),
        ("737 200", 1),
        ("the 737", 0),
        ("a 737-200 and not a 737", -2),
        ("Cat.", 2),
        ("category", -1),
        ("cat, cat, cat", 2),
        ("cat or 737", -2),
        ("", -1),
        ("nothing", -1),
    ],
)
def test_an_answer_names_the_class_whose_words_occur(answer: str, expected: int) -> None:
    assert matched_classes([answer], ["737", "737-200", "cat"]).tolist() == [expected]


def test_a_missing_answer_is_wrong_and_never_right() -> None:
    labels = np.array([0, 1, 2])
    scores = scores_of_named(np.array([-1, -2, 2]), 3, labels)
    assert (scores.argmax(axis=1) == labels).tolist() == [False, False, True]


def test_the_format_is_documented_with_a_file_that_can_be_read(tmp_path: Path) -> None:
    """The example of docs/forks.md, with the digest that it leaves out."""
    from places import ROOT

    text = (ROOT / "docs" / "forks.md").read_text(encoding="utf-8")
    example = text.partition("```json\n")[2].partition("```")[0]
    path = tmp_path / "p.jsonl"
    path.write_text(example.replace("…", DIGEST))
    found = read_predictions(path)
    assert found.head.class_names == ["Annual Crop Land", "Forest"]
    assert found.sha256 == (DIGEST,)
    assert json.loads(example.splitlines()[0])["train"][0][1] == 1
