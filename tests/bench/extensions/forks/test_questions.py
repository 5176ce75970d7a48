"""Questions for a language model: one request per test image, with our draw and without the label."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from answered_questions import requests
from one_case import for_each
from outside_predictions import task_of
from PIL import Image
from small_datasets import write_dataset

from bench.errors import UsageError
from bench.extensions.forks import WrittenQuestions, question_files, write_questions
from datasets_registry import EvalProtocol

NAMES = ["Annual Crop", "Forest", "River", "Sea Lake"]
Write = Callable[..., WrittenQuestions]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """EuroSAT with 4 classes and 200 test images."""
    root = tmp_path_factory.mktemp("named")
    write_dataset(root, "eurosat", test=50, class_names=NAMES)
    return root


@pytest.fixture
def write(data: Path, tmp_path: Path) -> Write:
    def write(**options: object) -> WrittenQuestions:
        values = {"shots": 2, "data_root": data, "out": tmp_path / "questions.jsonl"} | options
        return write_questions("eurosat", **values)

    return write


def contents(path: Path) -> list[list[dict[str, object]]]:
    """The parts of the message of each request."""
    return [request["body"]["messages"][0]["content"] for request in requests(path)]


def pixels(part: dict[str, dict[str, str]]) -> np.ndarray:
    address = part["image_url"]["url"]
    head, _, text = address.partition(",")
    assert head == "data:image/jpeg;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))), dtype=float)


def test_each_test_image_is_one_request_of_a_batch(write: Write) -> None:
    done = write(model="talker", options={"temperature": "0", "stop": "end"})
    found = requests(done.path)
    assert (done.n, done.examples, done.size) == (200, 8, done.path.stat().st_size)
    assert len({one["custom_id"] for one in found}) == 200
    for one in found:
        assert (one["method"], one["url"]) == ("POST", "/v1/chat/completions")
        body = one["body"]
        assert (body["model"], body["temperature"], body["stop"]) == ("talker", 0, "end")
        assert [part["type"] for part in body["messages"][0]["content"]] == [
            *["image_url", "text"] * 8,
            "image_url",
            "text",
        ]


def test_the_labelled_images_are_those_of_our_draw(write: Write, data: Path) -> None:
    task = task_of("eurosat", data, protocol=EvalProtocol.FEW_SHOT, shots=2, seed=3)
    (first, *others) = contents(write(seed=3).path)
    examples = first[:-2]
    assert all(other[:-2] == examples for other in others)
    assert [part["text"] for part in examples[1::2]] == [NAMES[sample.label] for sample in task.support.samples]
    for part, sample in zip(examples[::2], task.support.samples, strict=True):
        here = np.asarray(task.support.images.load(sample.key), dtype=float)
        assert np.abs(pixels(part) - here).mean() < np.abs(here - here.mean()).mean()  # JPEG changes noise


@for_each("images", ["embedded", "paths"])
def test_nothing_tells_the_class_of_a_test_image(images: str, write: Write, tmp_path: Path) -> None:
    done = write(images=images, shots=0, choices="one of several", out=tmp_path / images / "q.jsonl")
    text = done.path.read_text(encoding="utf-8")
    assert not any(word in text for name in NAMES for word in (name, f"class{NAMES.index(name)}"))
    if done.folder is not None:
        assert len(list(done.folder.glob("*.jpg"))) == 200
        for one in requests(done.path):
            path = Path(one["body"]["messages"][0]["content"][0]["image_url"]["url"].removeprefix("file://"))
            assert path == done.folder.resolve() / f"{one['custom_id']}.jpg"
            with Image.open(path) as image:
                assert image.info.keys() <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def test_the_order_of_the_lines_does_not_follow_the_classes(write: Write, data: Path) -> None:
    done = write()
    by_id = question_files.read_questions(done.path, data).by_id
    assert [one["custom_id"] for one in requests(done.path)] == list(by_id)
    labels = [sample.label for sample in by_id.values()]
    assert sum(a == b for a, b in pairwise(labels)) < 80  # of 199; in the order of classes 196


def test_the_same_options_write_the_same_file_and_others_have_other_ids(write: Write, tmp_path: Path) -> None:
    first, again = write(), write(out=tmp_path / "again.jsonl")
    assert first.path.read_bytes() == again.path.read_bytes()
    ids = {one["custom_id"] for one in requests(first.path)}
    for number, change in enumerate(
        [{"seed": 2}, {"shots": 1}, {"choices": "a land use"}, {"options": {"top_p": "1"}}]
    ):
        other = write(out=tmp_path / f"{number}.jsonl", **change)
        assert ids.isdisjoint(one["custom_id"] for one in requests(other.path))


def test_the_prompt_lists_the_classes_or_says_something_else(write: Write, tmp_path: Path) -> None:
    asked = contents(write(classes="new").path)[0]
    assert asked[-1]["text"].endswith("River; Sea Lake")
    assert [part["text"] for part in asked[1:-2:2]] == ["Annual Crop", "Annual Crop", "Forest", "Forest"]
    free = write(out=tmp_path / "f.jsonl", template="Name {choices}.", choices="the\nland use")
    assert contents(free.path)[0][-1]["text"] == free.asked.prompt == "Name the land use."


def test_images_are_made_smaller_and_never_larger(tmp_path: Path) -> None:
    write_dataset(tmp_path, "eurosat")
    for number, path in enumerate(sorted(tmp_path.rglob("*.png"))):
        Image.new("RGB", (100, 50) if number % 2 else (20, 30)).save(path)
    done = write_questions("eurosat", shots=1, largest_side=40, data_root=tmp_path, out=tmp_path / "q.jsonl")
    sizes = {pixels(part).shape[:2] for one in contents(done.path) for part in one if part["type"] == "image_url"}
    assert sizes == {(20, 40), (30, 20)}


@for_each(
    ("options", "named"),
    [
        ({"classes": "old"}, "--classes 'old'"),
        ({"images": "links"}, "--images 'links'"),
        ({"choices": "a bird", "template": "What is it?"}, "--template"),
        ({"options": {"model": "x"}}, "--model"),
        ({"options": {"stop": "x" * 300}}, "decoding"),
        ({"template": "\x1b[2J"}, "prompt"),
        ({"out": Path("q.json")}, "q.json"),
    ],
)
def test_a_wrong_option_is_named_and_nothing_is_written(
    options: dict[str, object], named: str, write: Write, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=".") as raised:
        write(**options)
    assert named in str(raised.value)
    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_someone_else_is_not_replaced(write: Write, tmp_path: Path) -> None:
    (tmp_path / "questions.jsonl").write_text("mine")
    with pytest.raises(UsageError, match="--force"):
        write()
    assert write(force=True).n == 200


def test_too_large_a_file_is_refused_before_it_is_written(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(question_files, "LARGEST_TEXT", 100_000)
    with pytest.raises(UsageError, match="--largest-side"):
        write()
    assert not (tmp_path / "questions.jsonl").exists()
    assert write(shots=0, images="paths").size < 100_000


def test_the_command_says_what_was_written(etl, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "q.jsonl"
    words = ["runs", "questions", "-d", "eurosat", "--shots", "1", "--data-root", str(data), "--out", str(out)]
    code, printed, remarks = etl(*words)
    assert code == 0
    assert "200 questions" in printed
    assert "256 pixels" in printed
    assert "--model" in remarks
    assert json.loads((tmp_path / "q.json").read_text())["shots"] == 1
    assert "--model" not in etl(*words, "--model", "talker", "--force")[2]
