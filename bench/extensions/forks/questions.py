"""Writes the questions of a test set for a language model, which someone else asks: no service is called here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from bench.api import options as opt
from bench.extensions.forks.stated_texts import CHOICES, MODEL, PROMPT

if TYPE_CHECKING:
    from bench.extensions.forks.question_files import Asked


@dataclass(frozen=True)
class WrittenQuestions:
    """A file of questions.

    Args:
        folder: of the images; None if the requests hold them.
        examples: labelled images in each question.
        size: bytes of the file, without images in a folder.
    """

    path: Path
    folder: Path | None
    asked: Asked
    n: int
    examples: int
    size: int


def write_questions(
    dataset: Annotated[str, opt.Opt("Dataset whose test images are asked about.", "-d")],
    *,
    shots: Annotated[int, opt.Opt("Labelled images of each class in every question.", min=0)] = 4,
    seed: Annotated[int, opt.Opt("Seed of their draw, as in `run`.", min=0)] = 1,
    classes: Annotated[
        str, opt.Opt("Test images: all, base or new. Base and new have the shots of the base classes.")
    ] = "all",
    template: Annotated[str, opt.Opt(f"Text after the test image; {CHOICES} is replaced.", metavar="TEXT")] = PROMPT,
    choices: Annotated[
        str,
        opt.Opt(
            f"What replaces {CHOICES}: `all` for all class names, or a text such as 'one of ten land uses'.",
            metavar="TEXT",
        ),
    ] = "all",
    largest_side: Annotated[int, opt.Opt("Pixels; larger images are made smaller.", min=16, max=4096)] = 256,
    images: Annotated[str, opt.Opt("embedded, or paths: files in a folder beside the questions.")] = "embedded",
    model: Annotated[str, opt.Opt("Name of the model for the service.", metavar="TEXT")] = MODEL,
    options: Annotated[
        Mapping[str, str] | None,
        opt.Opt("A field of every request, such as temperature=0; repeatable.", "--set", pairs="NAME=VALUE"),
    ] = None,
    out: Annotated[Path | str, opt.Opt("File to write.")] = Path("questions.jsonl"),
    data_root: opt.DataRoot = None,
    force: opt.Force = False,
) -> WrittenQuestions:
    """Write a request for each test image as JSON lines, and a file beside it (`.json`) with what is asked.

    Raises UsageError for a wrong option or a file that exists, ShotsError and DataError as `build_task` does.
    """
    from pydantic import ValidationError

    from bench.errors import UsageError
    from bench.extensions.forks.question_files import Asked, AskedClasses, Form, Questions, QuestionWriter, described
    from bench.extensions.forks.stated_texts import cut
    from bench.results import check_output_file, check_own_folder, write_output
    from bench.sweep import parse_choice
    from datasets_registry import get_dataset

    path = Path(out)
    form = parse_choice(Form, images, "--images")
    check_output_file(path, "--out", force=force, suffixes=(".jsonl",))
    folder = path.with_name(f"{path.stem}-images") if form is Form.PATHS else None
    if folder is not None:
        check_own_folder(folder, "The folder of images", force=force)
    if choices != "all" and CHOICES not in template:
        raise UsageError(f"--choices {choices!r} has no place in the prompt; write {CHOICES} into --template.")
    fields = {name: _value(text) for name, text in (options or {}).items()}
    if taken := fields.keys() & {"model", "messages"}:
        raise UsageError(f"--set {taken.pop()} is not a field that can be set; --model and --template set these.")
    try:
        asked = Asked(
            dataset=get_dataset(dataset).name,
            classes=parse_choice(AskedClasses, classes, "--classes"),
            shots=shots,
            seed=seed,
            prompt=" ".join((template if choices == "all" else template.replace(CHOICES, choices)).split()),
            decoding=", ".join(f"{name}={json.dumps(value)}" for name, value in sorted(fields.items())),
            model=model,
            largest_side=largest_side,
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise UsageError(f"{first['loc'][0]} {cut(repr(first['input']), 100)}: {first['msg']}.") from error
    writer = QuestionWriter(Questions(asked, data_root), fields, folder)
    asked, size = writer.write(path, force=force)
    write_output(described(path), f"{asked.model_dump_json(indent=1)}\n".encode(), force=force)
    return WrittenQuestions(path, folder, asked, len(writer.questions.by_id), len(writer.examples) // 2, size)


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text
