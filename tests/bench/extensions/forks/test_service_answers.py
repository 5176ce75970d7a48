"""The answers of a service become a run only if each question has one, in any order."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from answered_questions import answer, answered, requests, write
from one_case import for_each
from small_datasets import write_dataset

from bench.errors import BenchError, UsageError
from bench.extensions.forks import ImportedPredictions, PredictionsError, import_predictions, write_questions
from bench.extensions.forks.question_files import read_questions
from bench.extensions.forks.service_answers import read_service_answers
from bench.record import ExternalCode
from bench.results import Shards
from bench.spec import OTHER_MODELS
from datasets_registry import EvalProtocol

NAMES = ["Annual Crop", "Forest", "River", "Sea Lake"]
Row = dict[str, Any]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """EuroSAT with 4 classes and 200 test images, and questions on all, base and new classes."""
    root = tmp_path_factory.mktemp("asked")
    write_dataset(root, "eurosat", test=50, class_names=NAMES)
    for classes in ("all", "base", "new"):
        write_questions("eurosat", shots=2, classes=classes, data_root=root, out=root / f"{classes}.jsonl")
    return root


@pytest.fixture(scope="module")
def truth(place: Path) -> dict[str, str]:
    """The class of each question, by id."""
    found = {}
    for classes in ("all", "base", "new"):
        asked = read_questions(place / f"{classes}.jsonl", place)
        found |= {custom_id: asked.split.classes.names[one.label] for custom_id, one in asked.by_id.items()}
    return found


@pytest.fixture
def right(place: Path, truth: dict[str, str]) -> list[Row]:
    """The right answers to the questions on all classes."""
    return answered(place / "all.jsonl", lambda custom_id: f"I think {truth[custom_id].upper()}.")


@pytest.fixture
def imported(place: Path, tmp_path: Path) -> Callable[..., ImportedPredictions]:
    def imported(*files: list[Row], questions: tuple[str, ...] = ("all",), **options: Any) -> ImportedPredictions:
        paths = [write(tmp_path / f"{number}.jsonl", rows) for number, rows in enumerate(files)]
        asked = [place / f"{name}.jsonl" for name in questions]
        return import_predictions(paths, tmp_path / "runs", questions=asked, data_root=place, **options)

    return imported


def external_of(done: ImportedPredictions) -> ExternalCode:
    (record,) = done.added
    assert record.provenance.external is not None
    return record.provenance.external


def test_two_hundred_answers_are_a_run_of_a_model_that_is_not_a_clip(imported, right: list[Row]) -> None:
    done = imported(right, stated={"weights": "v1", "service": "a server"})
    (record,) = done.added
    spec, external = record.spec, external_of(done)
    assert (spec.method, spec.backbone, spec.protocol) == ("external:Talker_7B", OTHER_MODELS, EvalProtocol.FEW_SHOT)
    assert (spec.shots, spec.seed, spec.draw) == (2, 1, "coop")
    assert spec.config.keys() == {"model", "weights", "prompt"}
    assert (spec.config["model"], spec.config["weights"]) == ("Talker 7B", "v1")
    assert (record.scores[0].accuracy, record.scores[0].n) == (1.0, 200)
    assert (external.service, external.date, external.unanswered, external.ambiguous) == (
        "a server",
        "2026-01-01",
        0,
        0,
    )
    assert (external.matched_texts, external.own_draw) == (True, False)


def test_the_order_and_the_number_of_files_do_not_matter(imported, right: list[Row]) -> None:
    (record,) = imported(right).added
    assert imported(right[::-1]).unchanged == (record.run_id,)
    assert imported(right[150:], right[:150]).unchanged == (record.run_id,)


def test_answers_without_one_class_are_counted_and_stored(imported, right: list[Row], tmp_path: Path) -> None:
    ids = [row["custom_id"] for row in right]
    right[0] = answer(ids[0], "Forest or River")
    right[1] = answer(ids[1], "no idea")
    right[2] = answer(ids[2], None)
    right[3] = {"custom_id": ids[3], "response": None, "error": {"code": "rate_limit"}}
    right[4] = {"custom_id": ids[4], "response": {"status_code": 500, "body": {}}, "error": None}
    done = imported(right)
    external = external_of(done)
    assert (external.unanswered, external.ambiguous) == (4, 1)
    (score,) = done.added[0].scores
    assert score.accuracy == 195 / 200
    assert any("2 of 200" in note and "rate_limit" in note for note in done.notes)
    stored = Shards(tmp_path / "runs").record(done.added[0].run_id)
    assert stored is not None
    assert stored.provenance.external == external


def test_base_and_new_answers_are_one_run(imported, place: Path, truth: dict[str, str]) -> None:
    both = [answered(place / f"{name}.jsonl", truth.__getitem__) for name in ("base", "new")]
    done = imported(*both, questions=("base", "new"))
    (record,) = done.added
    assert record.spec.protocol is EvalProtocol.BASE_TO_NEW
    assert [(score.split, score.accuracy, score.n) for score in record.scores] == [
        ("base", 1.0, 100),
        ("new", 1.0, 100),
    ]
    assert imported(both[0] + both[1], questions=("base", "new")).unchanged == (record.run_id,)


@for_each(
    ("change", "named"),
    [
        (lambda rows: rows[1:], "1 of 200 questions"),
        (lambda rows: [*rows, rows[7]], "line 201"),
        (lambda rows: [*rows, answer("eurosat/1", "x")], "'eurosat/1'"),
        (lambda rows: [*rows[1:], answer(rows[0]["custom_id"], "x", model="other")], "2 models"),
        (lambda rows: [{key: rows[0][key] for key in ("response", "error")}], "custom_id"),
        (lambda rows: [*rows[1:], {"custom_id": rows[0]["custom_id"], "response": {"body": {}}}], "line 200"),
        (lambda rows: [answer(rows[0]["custom_id"], ["a list"])], "line 1"),
        (lambda rows: [answer(rows[0]["custom_id"], "x" * 30_000)], "line 1"),
        (lambda rows: [answer(rows[0]["custom_id"], "x", model=5)], "line 1"),
        (lambda rows: [answer(rows[0]["custom_id"], "x", model="\x1b[2J"), *rows[1:]], "models"),
        (lambda rows: [answer(one["custom_id"], "x", model="\x1b[2J") for one in rows], "0.jsonl: method"),
        (lambda rows: [["a list"]], "line 1"),
        (lambda rows: [], "200 of 200"),
    ],
    ids=lambda entry: entry[1],
)
def test_other_answers_are_refused_in_one_line_and_nothing_is_added(
    change: Callable[[list[Row]], list[Row]], named: str, imported, right: list[Row], tmp_path: Path
) -> None:
    with pytest.raises(PredictionsError) as raised:
        imported(change(list(right)))
    message = str(raised.value)
    assert named in message
    assert "\n" not in message
    assert "\x1b" not in message
    assert not (tmp_path / "runs").exists()


def test_the_answers_to_other_questions_are_not_taken(imported, right: list[Row]) -> None:
    with pytest.raises(PredictionsError, match=r"base\.jsonl"):
        imported(right, questions=("base",))


def test_a_model_that_no_answer_names_is_that_of_the_questions(
    place: Path, tmp_path: Path, truth: dict[str, str]
) -> None:
    def unnamed(model: str) -> ImportedPredictions:
        options = {"shots": 0, "model": model, "data_root": place, "out": tmp_path / "q.jsonl", "force": True}
        path = write_questions("eurosat", **options).path
        rows = answered(path, lambda _: "Forest")
        for row in rows:
            del row["response"]["body"]["model"]
        return import_predictions(
            [write(tmp_path / "a.jsonl", rows)], tmp_path / "runs", questions=[path], data_root=place
        )

    with pytest.raises(PredictionsError, match="--model"):
        unnamed("MODEL")
    (record,) = unnamed("talker").added
    assert (record.spec.config["model"], record.spec.shots) == ("talker", 0)


def test_questions_without_their_description_or_that_were_edited(place: Path, tmp_path: Path, right: list[Row]) -> None:
    path = tmp_path / "q.jsonl"
    rows = requests(place / "all.jsonl")
    write(path, [rows[0] | {"url": "/v2"}, *rows[1:]])
    answers = write(tmp_path / "a.jsonl", right)

    def again() -> ImportedPredictions:
        return import_predictions([answers], tmp_path / "runs", questions=[path], data_root=place)

    for content in (None, "{", "[]", json.dumps({"dataset": "eurosat"})):
        if content is not None:
            path.with_suffix(".json").write_text(content)
        with pytest.raises(PredictionsError, match=r"q\.json") as raised:
            again()
        assert "\n" not in str(raised.value)
    path.with_suffix(".json").write_bytes((place / "all.json").read_bytes())
    assert any(note.startswith("q.jsonl") for note in again().notes)


def test_facts_are_for_answers_and_have_names(imported, right: list[Row], tmp_path: Path, place: Path) -> None:
    with pytest.raises(UsageError, match="weights, service, decoding"):
        imported(right, stated={"who": "x"})
    with pytest.raises(UsageError, match="--questions"):
        import_predictions([tmp_path / "0.jsonl"], tmp_path / "runs", stated={"service": "x"}, data_root=place)
    with pytest.raises(PredictionsError, match="--questions"):
        import_predictions([tmp_path / "0.jsonl"], tmp_path / "runs", data_root=place)
    assert external_of(imported(right, stated={"date": "in May"})).date == "in May"


@pytest.mark.parametrize(("text", "lacks"), [("service", "no ="), ("service=", "no value")])
def test_a_fact_without_its_value_says_what_it_lacks(text: str, lacks: str, etl, tmp_path: Path) -> None:
    code, _, err = etl("runs", "import-predictions", "a.jsonl", "--questions", "q.jsonl", "--set", text)
    assert (code, lacks in err) == (2, True)


def test_an_image_that_changed_has_another_question(tmp_path: Path) -> None:
    write_dataset(tmp_path, "eurosat", class_names=NAMES)
    path = write_questions("eurosat", shots=1, data_root=tmp_path, out=tmp_path / "q.jsonl").path
    answers = write(tmp_path / "a.jsonl", answered(path, lambda _: "Forest"))
    one, other = sorted(tmp_path.rglob("test_*.png"))[:2]
    one.write_bytes(other.read_bytes())
    with pytest.raises(PredictionsError, match="first"):
        import_predictions([answers], tmp_path / "runs", questions=[path], data_root=tmp_path)


def outcome(answers: Path, questions: Path, data: Path) -> str:
    """What is said of refused answers; empty if they are read."""
    try:
        read_service_answers([answers], [questions], {}, data)
    except BenchError as error:
        return str(error)
    return ""


def test_a_mutant_is_read_or_refused_in_one_line(tmp_path: Path) -> None:
    write_dataset(tmp_path, "eurosat")
    path = write_questions("eurosat", shots=1, data_root=tmp_path, out=tmp_path / "q.jsonl").path
    answers = write(tmp_path / "a.jsonl", answered(path, lambda _: "class 1"))
    draw = np.random.default_rng(7)
    for target in (answers, path.with_suffix(".json")):
        content = target.read_bytes()
        for _ in range(150):
            mutant = bytearray(content)
            for place in draw.integers(len(mutant), size=draw.integers(1, 4)):
                mutant[place] = draw.integers(256)
            target.write_bytes(mutant)
            said = outcome(answers, path, tmp_path)
            assert "\n" not in said
            assert len(said) < 1000
        target.write_bytes(content)


def test_the_commands_go_from_questions_to_a_run(etl, place: Path, right: list[Row], tmp_path: Path) -> None:
    answers = write(tmp_path / "a.jsonl", right)
    words = ["runs", "import-predictions", str(answers), "--questions", str(place / "all.jsonl"), "--set", "service=us"]
    words += ["--data-root", str(place), "--runs", str(tmp_path / "runs")]
    code, out, _ = etl(*words)
    assert code == 0
    assert "1 run added" in out
    code, _, err = etl(*words[:2], str(write(tmp_path / "b.jsonl", right[1:])), *words[3:])
    assert code != 0
    assert err.startswith("error: ")
    assert err.count("\n") == 1
