"""Reads the answers of a service to a file of questions: lines of a chat-completions batch. Nothing is believed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from bench.bounds import EARLIEST, LATEST
from bench.errors import UsageError
from bench.extensions.forks.errors import PredictionsError
from bench.extensions.forks.prediction_files import FORMAT, MOST_PER_LINE, Head, PredictionFile, filled_lines, text_of
from bench.extensions.forks.question_files import AskedClasses, Questions, read_questions
from bench.extensions.forks.stated_texts import LARGEST_TEXT, LONGEST_ANSWER, MODEL, cut, shown
from datasets_registry import foreign_files

LONGEST_ID = 200
STATED = ("weights", "service", "decoding", "date")
_CONTENT = "response.body.choices[0].message.content"


@dataclass
class _Answers:
    """The answers of some files: the text by id, which is empty for a request that failed, and why it failed."""

    texts: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    models: set[str] = field(default_factory=set)
    moments: list[int] = field(default_factory=list)

    def add(self, row: Any) -> None:
        """Add one line; raises ValueError for one that is not an answer of a service."""
        if not isinstance(row, dict) or "custom_id" not in row:
            raise ValueError("it has no custom_id, so it is not an answer of a service")
        custom_id = text_of(row["custom_id"], "custom_id", LONGEST_ID)
        if custom_id in self.texts:
            raise ValueError(f"{shown(custom_id)} was answered before; give each answer once")
        response: Any = row.get("response")
        error = row.get("error")
        status = response.get("status_code", 200) if isinstance(response, dict) else None
        if error is not None or status != 200:
            self.failed[custom_id] = shown(error) if error is not None else f"status {shown(status)}"
            self.texts[custom_id] = ""
            return
        try:
            body = response["body"]
            content = body["choices"][0]["message"]["content"]
        except (TypeError, KeyError, IndexError):
            raise ValueError(f"it has neither an error nor {_CONTENT}") from None
        self.texts[custom_id] = "" if content is None else text_of(content, _CONTENT, LONGEST_ANSWER)
        if "model" in body:
            self.models.add(text_of(body["model"], "response.body.model", 200))
        created = body.get("created")
        if isinstance(created, int) and EARLIEST.timestamp() <= created < LATEST.timestamp():
            self.moments.append(created)

    @property
    def date(self) -> str:
        """The days of the answers, in UTC; empty if no answer says when it was made."""
        ends = [f"{datetime.fromtimestamp(end(self.moments), UTC):%Y-%m-%d}" for end in (min, max) if self.moments]
        return " to ".join(dict.fromkeys(ends))


def read_service_answers(
    files: Sequence[Path], questions: Sequence[Path], stated: Mapping[str, str], data_root: Path | None
) -> tuple[list[PredictionFile], list[str]]:
    """The predictions of each file of questions, and notes, one sentence each. Any order of answers is read.

    `stated` has facts of `STATED` that answers and questions do not have, or that replace theirs. Raises UsageError for
    another one.

    Raises PredictionsError for an answer that is missing, given twice or to no question, and for a line that is not an
    answer; DataError if the dataset is not on disk.
    """
    if unknown := stated.keys() - set(STATED):
        raise UsageError(f"--set {min(unknown)} is unknown. Allowed: {', '.join(STATED)}.")
    digest = hashlib.sha256()
    answers = _Answers()
    for path in files:
        _read(path, answers, digest)
    named = ", ".join(path.name for path in files)
    asked = [read_questions(path, data_root) for path in questions]
    known = {custom_id for one in asked for custom_id in one.by_id}
    if strange := [custom_id for custom_id in answers.texts if custom_id not in known]:
        raise PredictionsError(
            f"{named}: {len(strange)} answers are to no question of {', '.join(path.name for path in questions)}, "
            f"first {shown(strange[0])}. Give the questions that were asked; a dataset that changed has other ids."
        )
    notes = []
    if failed := answers.failed:
        first, why = next(iter(failed.items()))
        notes.append(
            f"{named}: {len(failed)} of {len(answers.texts)} requests failed, first {first} ({why}); "
            "they count as unanswered, and so as wrong."
        )
    found = []
    for path, one in zip(questions, asked, strict=True):
        missing = [custom_id for custom_id in one.by_id if custom_id not in answers.texts]
        if missing:
            raise PredictionsError(
                f"{named}: {len(missing)} of {len(one.by_id)} questions of {path.name} have no answer, first "
                f"{missing[0]}. Ask them, and give all files of answers together."
            )
        if _digest_of(path) != one.asked.sha256:
            notes.append(f"{path.name} is not as it was written, so its prompt and its images may be others.")
        model = _model(named, answers.models, one)
        facts = {"decoding": one.asked.decoding, "date": answers.date, **stated, "model": model}
        found.append(_file(files[0], digest.hexdigest(), one, answers, facts))
    return found, notes


def _read(path: Path, answers: _Answers, digest: hashlib._Hash) -> None:
    """Add the answers of a file; all bytes go into the digest."""
    try:
        for number, line in filled_lines(path, digest):
            try:
                answers.add(foreign_files.parse_json(line, MOST_PER_LINE, unique=True))
            except ValueError as error:
                raise ValueError(f"line {number}: {cut(str(error), 200).rstrip('.')}") from error
    except OSError as error:
        raise PredictionsError(f"{path} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise PredictionsError(
            f"{path}: {error}. Each line must be an answer of a chat-completions batch, with custom_id and {_CONTENT}."
        ) from error


def _digest_of(path: Path) -> str:
    try:
        foreign_files.check_size(path, LARGEST_TEXT)
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise PredictionsError(f"{path} cannot be read: {error.strerror or error}.") from error


def _model(named: str, models: set[str], one: Questions) -> str:
    """The model that answered; the answers name it, or else the questions."""
    stated = models or {one.asked.model} - {MODEL}
    if len(stated) == 1:
        return next(iter(stated))
    if stated:
        some = ", ".join(shown(name) for name in sorted(stated)[:3])
        raise PredictionsError(
            f"{named}: {len(stated)} models answered, {some}. A run is of one model; part the files."
        )
    raise PredictionsError(
        f"{named}: no answer names its model in response.body.model. Write the questions again with --model NAME."
    )


def _file(source: Path, digest: str, one: Questions, answers: _Answers, facts: Mapping[str, str]) -> PredictionFile:
    asked, task, images = one.asked, one.task, one.split.images
    try:
        head = Head(
            format=FORMAT,
            method=cut(facts["model"], 100),
            dataset=asked.dataset,
            classes=asked.classes.value,
            class_names=list(one.split.classes.prompt_names),
            prompt=asked.prompt,
            seed=asked.seed,
            shots=asked.shots,
            trained=asked.classes is not AskedClasses.NEW,
            train=[(sample.key, sample.label) for sample in task.support.samples],
            **facts,
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise PredictionsError(f"{source}: {first['loc'][0]} {shown(first['input'])}: {first['msg']}.") from error
    samples = one.by_id
    return PredictionFile(
        source,
        digest,
        head,
        keys=tuple(sample.key for sample in samples.values()),
        labels=np.array([sample.label for sample in samples.values()], dtype=np.int64),
        scores=None,
        answers=tuple(answers.texts[custom_id] for custom_id in samples),
        sha256=tuple(images.digest(sample.key) for sample in samples.values()),
    )
