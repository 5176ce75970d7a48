"""Reads files of predictions that were computed elsewhere, JSON lines or npz. Nothing in a file is believed here.

The format, version 1: a head that describes the run, then for each test image its key, its label and a score of each
class. In JSON lines, the head is the first line and each further line is one image. An npz file has the arrays `head`
(the same JSON as text), `keys`, `labels`, `scores` and, optionally, `sha256`. In place of scores, a line may have the
`prompt` and the `answer` of a language model, see `matched_classes`.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from bench.bounds import MOST_CLASSES, MOST_IMAGES, ClassName, Count, LargeCount, Line, Positive, Settings
from bench.extensions.forks.errors import PredictionsError
from bench.extensions.forks.stated_texts import LARGEST_TEXT, LONGEST_ANSWER, Sha256, Stated, cut, shown
from datasets_registry import GIB, foreign_files, read_npz
from methods import Extra

FORMAT = "clip-etl-bench predictions 1"
LARGEST_SCORE = 1e30
"""Larger scores do not fit into the 32 bits of stored predictions, or their sums do not."""
MOST_PER_LINE = 2 * MOST_CLASSES
LARGEST_LINE = GIB // 16
"""Bytes of one line: the head with its lists of images, or an image with a score of each class."""
LONGEST_KEY = 4000
"""Characters of the path of an image."""
Key = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_KEY)]
SupportImage = tuple[Key, Count] | tuple[Key, Count, Sha256]


class Head(BaseModel):
    """What a file says about its run."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: Literal["clip-etl-bench predictions 1"]
    method: Annotated[Line, Field(min_length=1, max_length=100)]
    dataset: Annotated[Line, Field(min_length=1, max_length=200)]
    classes: Literal["all", "base", "new"] = "all"
    class_names: list[ClassName] = Field(min_length=2, max_length=MOST_CLASSES)
    backbone: Stated = Field("", description="the CLIP whose features are used")
    model: Stated = Field("", description="any other model; a file names either")
    weights: Stated = ""
    prompt: Annotated[Line, Field(max_length=LONGEST_ANSWER)] = ""
    decoding: Stated = ""
    date: Stated = ""
    service: Stated = ""
    backbone_sha256: Sha256 | None = None
    seed: LargeCount = 0
    shots: int = Field(0, ge=-1)
    trained: bool = Field(True, description="whether the training was part of this process")
    train: list[SupportImage] = Field(default_factory=list, max_length=MOST_IMAGES)
    val: list[SupportImage] = Field(default_factory=list, max_length=MOST_IMAGES)
    uses: list[Extra] | None = Field(None, description="what it sees besides the labelled images; None: not stated")
    tests_so_far: Positive = 1
    repository: Line = ""
    commit: Line = ""
    changed_files: list[Line] = Field(default_factory=list)
    command: Line = ""
    torch: Line = ""
    settings: Settings = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_model(self) -> Self:
        if bool(self.backbone) == bool(self.model):
            raise ValueError("give `backbone` for a CLIP, or `model` for any other model, and not both")
        return self


@dataclass(frozen=True)
class PredictionFile:
    """A file that was read: `n` test images and a score of each class.

    Args:
        digest: hex SHA-256 of the file.
        labels: `(n,)`.
        scores: `(n, n_classes)`, float64, finite; None for a file of answers.
        answers: the answer for each image; None for a file of scores.
        sha256: digest of each image file; None if the file has none.
    """

    source: Path
    digest: str
    head: Head
    keys: tuple[str, ...]
    labels: NDArray[np.int64]
    scores: NDArray[np.float64] | None
    answers: tuple[str, ...] | None
    sha256: tuple[str, ...] | None


def read_predictions(path: Path) -> PredictionFile:
    """Read a file of either kind. Raises PredictionsError, naming the file and the place, for anything else."""
    try:
        found = _read_arrays(path) if path.suffix == ".npz" else _read_lines(path)
    except OSError as error:
        raise PredictionsError(f"{path} cannot be read: {error.strerror or error}.") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = cut(".".join(map(str, first["loc"])), 100) or "a field"
        what = cut(first["msg"].removeprefix("Value error, "), 200).rstrip(".")
        raise PredictionsError(f"{path}: {place} in its head: {what}. {_HELP}") from error
    except UnicodeDecodeError as error:
        raise PredictionsError(f"{path} is not a file of predictions: it is not text. {_HELP}") from error
    except (ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error, struct.error) as error:
        reason = cut(str(error), 200).rstrip(".")  # zipfile repeats bytes of the file
        raise PredictionsError(f"{path} is not a file of predictions: {reason}. {_HELP}") from error
    _check(found)
    return found


_HELP = "`etl-bench doctor docs forks` has the format; `etl-bench runs drop-in` writes code that makes such files."


def _read_lines(path: Path) -> PredictionFile:
    digest = hashlib.sha256()
    lines = filled_lines(path, digest)
    _, first = next(lines, (0, b""))
    if not first:
        raise ValueError("it is empty")
    stated = foreign_files.parse_json(first, unique=True)
    if isinstance(stated, dict) and "custom_id" in stated:
        raise ValueError("it has the answers of a service; give the file of their questions with --questions")
    head = Head.model_validate(stated)
    keys, labels, scores, answers, digests = [], [], [], [], []
    prompts: set[str] = set()
    for number, line in lines:
        try:
            row = foreign_files.parse_json(line, MOST_PER_LINE, unique=True)
            keys.append(text_of(row["key"], "key", LONGEST_KEY))
            labels.append(_label(row["label"]))
            if "answer" in row:
                answers.append(text_of(row["answer"], "answer", LONGEST_ANSWER))
                if len(prompts) < 2:
                    prompts.add(" ".join(text_of(row.get("prompt", ""), "prompt", LONGEST_ANSWER).split()))
            else:
                scores.append(_scores(row["scores"]))
            if "sha256" in row:
                digests.append(text_of(row["sha256"], "sha256", 64))
        except (ValueError, TypeError, KeyError) as error:
            what = f"it has no {error}" if isinstance(error, KeyError) else str(error)
            raise ValueError(f"line {number}: {what}") from error
    if len(prompts) == 1 and not head.prompt:
        head = Head.model_validate(stated | {"prompt": prompts.pop()})
    if answers and scores:
        raise ValueError("some images have scores and others answers")
    table = None
    if not answers:
        widths = {row.shape for row in scores}
        if len(widths) > 1:
            raise ValueError(f"its images have different numbers of scores: {sorted(widths)[:3]}")
        table = np.stack(scores) if scores else np.zeros((0, len(head.class_names)))
    return PredictionFile(
        path,
        digest.hexdigest(),
        head,
        tuple(keys),
        np.asarray(labels, dtype=np.int64),
        table,
        tuple(answers) or None,
        tuple(digests) if len(digests) == len(keys) else None,
    )


def filled_lines(path: Path, digest: hashlib._Hash) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers, one in memory at a time; all bytes go into the digest."""
    foreign_files.check_size(path, LARGEST_TEXT)
    with path.open("rb") as file:
        for number in range(1, 2 * MOST_IMAGES + 3):
            line = file.readline(LARGEST_LINE + 1)
            if not line:
                return
            if len(line) > LARGEST_LINE:
                raise ValueError(f"line {number} has more than {foreign_files.size_text(LARGEST_LINE)}")
            digest.update(line)
            if line.strip():
                yield number, line
    raise ValueError(f"it has more than {2 * MOST_IMAGES} lines")


def text_of(value: Any, name: str, longest: int) -> str:
    """A text of a stranger; raises ValueError for another value, and for a longer text."""
    if not isinstance(value, str):
        raise ValueError(f"{name} is {shown(value)}, not a text")
    if len(value) > longest:
        raise ValueError(f"{name} has {len(value)} characters; at most {longest} are read")
    return value


def _scores(values: Any) -> NDArray[np.float64]:
    """A row of numbers; numpy would also read texts and booleans."""
    if not isinstance(values, list):
        raise ValueError("scores is not a list of numbers")
    if odd := [value for value in values if isinstance(value, bool) or not isinstance(value, int | float | list)]:
        raise ValueError(f"scores has {shown(odd[0])}, not a number")
    return np.asarray(values, dtype=np.float64)


def _label(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"label is {shown(value)}, not a whole number")
    if not 0 <= value < MOST_CLASSES:
        raise ValueError("label is not the position of a class name")
    return value


def _read_arrays(path: Path) -> PredictionFile:
    arrays = read_npz(path)
    if missing := {"head", "keys", "labels", "scores"} - arrays.keys():
        raise ValueError(f"it has no array {', '.join(sorted(missing))}")
    head = Head.model_validate(foreign_files.parse_json(str(arrays["head"]).encode(), unique=True))
    keys, labels, scores = arrays["keys"], arrays["labels"], arrays["scores"]
    if keys.dtype.kind != "U" or labels.dtype.kind not in "iu" or scores.dtype.kind != "f" or scores.ndim != 2:
        raise ValueError("its arrays must be keys (texts), labels (whole numbers) and scores (a table of numbers)")
    digests = arrays.get("sha256")
    return PredictionFile(
        path,
        hashlib.sha256(foreign_files.read_bytes(path, LARGEST_TEXT)).hexdigest(),
        head,
        tuple(map(str, keys.tolist())),
        labels.astype(np.int64).reshape(-1),
        scores.astype(np.float64),
        None,
        None if digests is None else tuple(map(str, digests.tolist())),
    )


def _check(found: PredictionFile) -> None:
    """Raise PredictionsError for columns that do not fit each other or the class names."""
    n, classes, path = len(found.keys), len(found.head.class_names), found.source
    lengths = {"labels": len(found.labels), "sha256": n if found.sha256 is None else len(found.sha256)}
    lengths["answers" if found.scores is None else "scores"] = (
        len(found.answers or ()) if found.scores is None else len(found.scores)
    )
    if wrong := {name: length for name, length in lengths.items() if length != n}:
        raise PredictionsError(f"{path} has {n} keys and {wrong} entries; each image needs one of each.")
    if not n:
        raise PredictionsError(f"{path} has a head and no image.")
    if n > MOST_IMAGES:
        raise PredictionsError(f"{path} has more than {MOST_IMAGES} images.")
    if found.labels.min() < 0 or found.labels.max() >= classes:
        raise PredictionsError(
            f"{path} has labels outside 0..{classes - 1}, the positions of its {classes} class names."
        )
    if found.scores is None:
        return
    if found.scores.shape[1] != classes:
        raise PredictionsError(f"{path} has {found.scores.shape[1]} scores per image and {classes} class names.")
    bad = np.flatnonzero(~(np.abs(found.scores) <= LARGEST_SCORE).all(axis=1))
    if len(bad):
        raise PredictionsError(
            f"{path}: the scores of {len(bad)} of {n} images are not finite or beyond {LARGEST_SCORE:.0e}, first "
            f"of {shown(found.keys[bad[0]])}; the model produced NaN, infinity or huge numbers."
        )


_WORDS = re.compile(r"[^\W_]+")


NO_CLASS, SEVERAL_CLASSES = -1, -2
"""What an answer names that names no class, or several."""


def matched_classes(answers: Sequence[str], names: Sequence[str]) -> NDArray[np.int64]:
    """The class that each answer names, `(n,)`; `NO_CLASS` or `SEVERAL_CLASSES` where it does not name one.

    Capitals and punctuation are ignored. A class is named if its words occur in the answer, one after the other. A name
    inside a longer name that occurs at the same place does not count.

    Example:
        >>> matched_classes(["A Boeing 737-200.", "a cat or a dog", ""], ["737", "737-200", "cat", "dog"]).tolist()
        [1, -2, -1]
    """
    known = [(_WORDS.findall(name.casefold()), label) for label, name in enumerate(names)]
    known = sorted((pair for pair in known if pair[0]), key=lambda pair: -len(pair[0]))
    by_word: dict[str, list[tuple[int, list[str], int]]] = {}
    for place, (name, label) in enumerate(known):
        by_word.setdefault(name[0], []).append((place, name, label))
    return np.array([_named(_WORDS.findall(answer.casefold()), by_word) for answer in answers], dtype=np.int64)


def _named(words: list[str], by_word: Mapping[str, Sequence[tuple[int, list[str], int]]]) -> int:
    """The only class whose name occurs in the words; `by_word` has names by their first word, with their order."""
    taken, found = [False] * len(words), set()
    known = sorted(one for word in set(words) for one in by_word.get(word, ()))
    for _, name, label in known:  # longer names first
        for start in range(len(words) - len(name) + 1):
            place = slice(start, start + len(name))
            if words[place] == name and not all(taken[place]):
                taken[place] = [True] * len(name)
                found.add(label)
    return found.pop() if len(found) == 1 else SEVERAL_CLASSES if found else NO_CLASS


def scores_of_named(chosen: NDArray[np.int64], n_classes: int, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Scores `(n, n_classes)` that predict the class of `matched_classes`, `(n,)`, and a wrong one where there is none.

    They carry no confidence. Labels `(n,)` are only used to make an answer without a class wrong.
    """
    wrong = (labels == 0).astype(np.int64)  # class 0, or class 1 where class 0 is true
    scores = np.zeros((len(chosen), n_classes))
    scores[np.arange(len(chosen)), np.where(chosen < 0, wrong, chosen)] = 10.0
    return scores
