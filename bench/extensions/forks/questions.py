"""Writes the questions of a test set for a language model, which someone else asks: no service is called here.

Each line is one request of a chat-completions batch: the labelled images of our draw, then one test image and the
prompt. A file beside it says what was asked, so that the answers can be read.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.api import options as opt
from bench.bounds import Count, LargeCount, Line, Name, Positive
from bench.errors import UsageError
from bench.extensions.forks.errors import PredictionsError
from bench.extensions.forks.prediction_files import LARGEST_TEXT, LONGEST_ANSWER, Sha256, Stated, cut
from bench.results import check_output_file, check_own_folder, claim_folder, replacing, write_output
from bench.sweep import parse_choice
from datasets_registry import (
    DrawRule,
    EvalProtocol,
    TaskRequest,
    build_task,
    foreign_files,
    get_dataset,
    recorded_draw,
)

if TYPE_CHECKING:
    from PIL import Image

    from datasets_registry import EvalSplit, FewShotTask, Images, Sample

CHOICES = "{choices}"
"""Stands for the names of the classes in a prompt."""
PROMPT = f"Which of these is shown in the last image? Answer with one name only: {CHOICES}"
MODEL = "MODEL"
"""Stands for the name of the model in requests."""
JPEG_QUALITY = 95
LARGEST_SIDECAR = 2**20


class AskedClasses(StrEnum):
    """The test images that are asked about."""

    ALL = "all"
    BASE = "base"
    NEW = "new"


class Form(StrEnum):
    """How a request holds its images."""

    EMBEDDED = "embedded"
    PATHS = "paths"


class Asked(BaseModel):
    """What a file of questions asks; stored beside it. `sha256` is the digest of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["clip-etl-bench questions 1"] = "clip-etl-bench questions 1"
    dataset: Name
    classes: AskedClasses
    shots: Count
    seed: LargeCount
    prompt: Annotated[Line, Field(max_length=LONGEST_ANSWER)]
    decoding: Stated
    model: Stated
    largest_side: Positive
    sha256: Sha256 = 64 * "0"


class Questions:
    """The questions of a description: its task, and the test image of each request by its id."""

    def __init__(self, asked: Asked, data_root: Path | None) -> None:
        self.asked, self._data_root = asked, data_root

    @cached_property
    def task(self) -> FewShotTask:
        """The few-shot task of all classes, or the base-to-new task, on our draw."""
        info = get_dataset(self.asked.dataset)
        if info.backbone is not None:
            raise UsageError(f"Dataset {info.name!r} holds features of {info.backbone} and no images to ask about.")
        protocol = EvalProtocol.FEW_SHOT if self.asked.classes is AskedClasses.ALL else EvalProtocol.BASE_TO_NEW
        return build_task(
            TaskRequest(
                info,
                info.reader(self._data_root),
                protocol=protocol,
                shots=self.asked.shots,
                seed=self.asked.seed,
                draw=recorded_draw(info, DrawRule.COOP),
                allow_fewer=True,
            )
        )

    @cached_property
    def split(self) -> EvalSplit:
        """The test images and their classes."""
        return next(split for split in self.task.evals if split.name == self.asked.classes)

    @cached_property
    def by_id(self) -> dict[str, Sample]:
        """The test images by the ids of their requests, in the order of the ids.

        An id is a digest of the question and the content of the image, so it does not tell the class, and answers to
        other questions are recognised.
        """
        asked = self.asked.model_dump_json(exclude={"sha256", "model"})
        found = {
            hashlib.sha256(f"{asked}\n{one.key}\n{self.split.images.digest(one.key)}".encode()).hexdigest()[:32]: one
            for one in self.split.samples
        }
        return dict(sorted(found.items()))


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
    template: Annotated[str, opt.Opt(f"Text after the test image; {CHOICES} is replaced.")] = PROMPT,
    choices: Annotated[
        str, opt.Opt(f"What replaces {CHOICES}: `all` for all class names, or a text such as 'one of ten land uses'.")
    ] = "all",
    largest_side: Annotated[int, opt.Opt("Pixels; larger images are made smaller.", min=16, max=4096)] = 256,
    images: Annotated[str, opt.Opt("embedded, or paths: files in a folder beside the questions.")] = "embedded",
    model: Annotated[str, opt.Opt("Name of the model for the service.")] = MODEL,
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
    writer = _Writer(Questions(asked, data_root), fields, folder)
    asked, size = writer.write(path, force=force)
    write_output(described(path), f"{asked.model_dump_json(indent=1)}\n".encode(), force=force)
    return WrittenQuestions(path, folder, asked, len(writer.questions.by_id), len(writer.examples) // 2, size)


def described(path: Path) -> Path:
    """The file beside a file of questions that says what they ask."""
    return path.with_suffix(".json")


def read_questions(path: Path, data_root: Path | None) -> Questions:
    """The questions of a file; raises PredictionsError if its description is missing or damaged."""
    beside = described(path)
    again = "Write the questions again with the same options, which gives the same ids."
    try:
        asked = Asked.model_validate(foreign_files.read_json(beside, LARGEST_SIDECAR))
    except OSError as error:
        raise PredictionsError(
            f"{path}: {beside.name} beside it says what was asked, and cannot be read "
            f"({error.strerror or error}). {again}"
        ) from error
    except ValueError as error:  # also of pydantic
        raise PredictionsError(f"{beside} does not say what {path.name} asks. {again}") from error
    return Questions(asked, data_root)


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


class _Writer:
    """Writes the lines of a file of questions, and the images of a folder."""

    def __init__(self, questions: Questions, fields: Mapping[str, object], folder: Path | None) -> None:
        self.questions, self._fields, self._folder = questions, fields, folder
        asked, task = questions.asked, questions.task
        if folder is not None:
            claim_folder(folder)
        names = task.support.classes.prompt_names
        self.examples: list[dict[str, Any]] = []
        for number, one in enumerate(task.support.samples):
            image = self._image(task.support.images, one.key, f"example-{number}")
            self.examples += [image, {"type": "text", "text": names[one.label]}]
        listed = "; ".join(questions.split.classes.prompt_names)
        self._prompt = {"type": "text", "text": asked.prompt.replace(CHOICES, listed)}

    def write(self, path: Path, *, force: bool) -> tuple[Asked, int]:
        """Write the file; gives its description, and its bytes. Raises UsageError if it would be too large."""
        digest, size, n = hashlib.sha256(), 0, len(self.questions.by_id)
        with replacing(path, force=force) as draft, draft.open("wb") as file:
            for custom_id, sample in self.questions.by_id.items():
                line = self._line(custom_id, self._image(self.questions.split.images, sample.key, custom_id))
                if not size and n * len(line) > LARGEST_TEXT:
                    about, most = map(foreign_files.size_text, (n * len(line), LARGEST_TEXT))
                    raise UsageError(
                        f"{n} questions with {len(self.examples) // 2} labelled images each have about {about}, and at "
                        f"most {most} are written. Use fewer --shots, a smaller --largest-side, or --images paths."
                    )
                digest.update(line)
                size += file.write(line)
        return self.questions.asked.model_copy(update={"sha256": digest.hexdigest()}), size

    def _line(self, custom_id: str, image: Mapping[str, Any]) -> bytes:
        content: Sequence[object] = [*self.examples, image, self._prompt]
        body = {"model": self.questions.asked.model, **self._fields, "messages": [{"role": "user", "content": content}]}
        request = {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body}
        return f"{json.dumps(request, ensure_ascii=False)}\n".encode()

    def _image(self, images: Images, key: str, name: str) -> dict[str, Any]:
        """The part of a message with an image, which is encoded again, so that nothing in it names its class."""
        content = _jpeg(images.load(key), self.questions.asked.largest_side)
        if self._folder is None:
            address = f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"
        else:
            place = self._folder / f"{name}.jpg"
            place.write_bytes(content)
            address = place.resolve().as_uri()
        return {"type": "image_url", "image_url": {"url": address}}


def _jpeg(image: Image.Image, largest_side: int) -> bytes:
    """An RGB image as a JPEG file without metadata, of at most so many pixels wide and high."""
    from PIL import Image

    small = image.copy()
    small.thumbnail((largest_side, largest_side), Image.Resampling.BICUBIC)
    plain = Image.frombytes("RGB", small.size, small.tobytes())  # without what the file says of itself
    file = io.BytesIO()
    plain.save(file, "jpeg", quality=JPEG_QUALITY)
    return file.getvalue()
