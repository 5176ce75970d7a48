"""Files of questions for a language model: what they ask, the requests, and the test image of each.

Each line is one request of a chat-completions batch: the labelled images of our draw, then one test image and the
prompt. A file beside it says what was asked, so that the answers can be read.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from bench.bounds import Count, LargeCount, Line, Name, Positive
from bench.errors import UsageError
from bench.extensions.forks.errors import PredictionsError
from bench.extensions.forks.stated_texts import CHOICES, LARGEST_TEXT, LONGEST_ANSWER, Sha256, Stated
from bench.results import claim_folder, replacing
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


class QuestionWriter:
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
