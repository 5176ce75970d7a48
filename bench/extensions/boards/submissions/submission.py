"""A submission: a folder with exactly three files, its facts in `submission.toml`, and how it is prepared."""

import hashlib
import json
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from bench.bounds import Moment, plain_text
from bench.extensions.boards.errors import SubmissionError
from bench.results import Exported, Shards, export_bundle, known_methods, write_atomically
from datasets_registry import BenchError, foreign_files

FACTS_VERSION = 1


def _zoned(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("it has no time zone; write for example 2026-11-26T12:00:00Z")
    return value.astimezone(UTC)


Plain = Annotated[
    str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True), AfterValidator(plain_text)
]
"""One line of text, 1 to 200 characters, without `<` and `>`."""
Notes = Annotated[str, StringConstraints(max_length=2000, strip_whitespace=True), AfterValidator(plain_text)]
Link = Annotated[str, StringConstraints(max_length=300, pattern=r"^(https://[A-Za-z0-9.-]+(/[^\s<>\"'`()\[\]|]*)?)?$")]
"""An https address, or nothing."""
Contact = Annotated[
    str,
    StringConstraints(
        max_length=200, pattern=r"^([^\s<>\"'`|@]+@[A-Za-z0-9.-]+|https://[A-Za-z0-9.-]+(/[^\s<>\"'`|]*)?)$"
    ),
]
"""An e-mail address or an https address."""
Licence = Annotated[str, StringConstraints(max_length=60, pattern=r"^[A-Za-z0-9][A-Za-z0-9.+-]*$")]
"""An SPDX identifier such as CC-BY-4.0."""


class SubmissionFacts(BaseModel):
    """The content of `submission.toml`; every text is safe to show on a page."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    submission_version: Literal[1] = 1
    who: Plain = Field(description="authors or laboratory")
    contact: Contact
    licence: Licence = Field(description="licence of the results")
    code: Link = Field("", description="URL of the code that made the runs")
    notes: Notes = Field("", description="one line for readers")
    verify: bool = Field(False, description="whether the board is asked to recompute some of the runs")
    submitted: Annotated[Moment, AfterValidator(_zoned)] = Field(
        description="time of preparation, as the submitters state it; it decides nothing"
    )

    def to_toml(self) -> str:
        """The facts as TOML, one line each."""
        lines = []
        for name, value in self:
            if isinstance(value, datetime):
                text = value.isoformat(timespec="seconds").replace("+00:00", "Z")
            else:
                text = json.dumps(value, ensure_ascii=False)
            lines.append(f"{name} = {text}\n")
        return "".join(lines)


def parse_facts(text: str) -> SubmissionFacts:
    """The facts in a TOML text; raises SubmissionError, naming the first key that is wrong."""
    try:
        return SubmissionFacts.model_validate(foreign_files.parse_toml(text))
    except ValidationError as error:
        raise SubmissionError(_wrong(error)) from error
    except ValueError as error:
        raise SubmissionError(f"submission.toml is not TOML ({error}).") from error


def build_facts(**values: object) -> SubmissionFacts:
    """Facts from options of the command line; raises SubmissionError for a wrong one."""
    try:
        return SubmissionFacts.model_validate(values)
    except ValidationError as error:
        raise SubmissionError(_wrong(error, typed=True)) from error


_FORMS = {
    "contact": "an e-mail address or an https address",
    "code": "an https address, or nothing",
    "licence": "an SPDX identifier such as CC-BY-4.0",
    "submitted": "a time with its zone, such as 2026-11-26T12:00:00Z",
}


def _wrong(error: ValidationError, *, typed: bool = False) -> str:
    """The first fault as one line; `typed` says whether the values are options."""
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"submission.toml has the unknown key {key!r}; allowed: {', '.join(SubmissionFacts.model_fields)}."
    if first["type"] == "missing":
        return f"submission.toml lacks {key!r}; it needs who, contact, licence and submitted."
    wanted = _FORMS.get(key)
    reason = f"it must be {wanted}" if wanted else first["msg"].removeprefix("Value error, ")
    value = f"{first['input']!r:.80}"
    return f"{f'--{key} {value}' if typed else f'{key} {value} in submission.toml'} is not accepted: {reason}."


FACTS, CARDS, BUNDLE = "submission.toml", "methods.md", "runs.zip"
_WRITTEN = "# Written by etl-bench board submit, with {} bytes of methods.md"
"""First line of a written `submission.toml`, which marks the folder as made by etl-bench."""
_LARGEST = {FACTS: 64 * 2**10, CARDS: 2**20, BUNDLE: 2 * 2**30}
"""The files of a submission and their largest sizes in bytes."""
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_TAG = re.compile(r"<[A-Za-z/!?]")


@dataclass(frozen=True)
class Submission:
    """A submission whose folder and facts are in order; its runs have not been checked.

    Args:
        name: of its folder.
        digest: of its three files; it names the content.
        cards: Markdown about its methods.
    """

    name: str
    folder: Path
    digest: str
    facts: SubmissionFacts
    cards: str

    @property
    def bundle(self) -> Path:
        """The bundle of its runs."""
        return self.folder / BUNDLE


def open_submission(folder: Path) -> Submission:
    """Read the folder of a submission.

    Raises SubmissionError if its name is not allowed, a file is missing, too large, a link or not one of the three, or
    if `submission.toml` is wrong.
    """
    name = _name(folder)
    _check_files(folder)
    digest = hashlib.sha256()
    for file in sorted(_LARGEST):
        with (folder / file).open("rb") as opened:
            digest.update(f"{file} {hashlib.file_digest(opened, 'sha256').hexdigest()}\n".encode())
    cards = _text(folder / CARDS)
    if _TAG.search(cards):
        raise SubmissionError(f"{CARDS} contains HTML; write Markdown without tags.")
    return Submission(name, folder, digest.hexdigest(), parse_facts(_text(folder / FACTS)), cards)


def submission_folders(folder: Path) -> list[Path]:
    """The folders of all submissions in a folder, sorted by name.

    Hidden files and files such as a README are not submissions. A link is listed, so that its check refuses it. Raises
    SubmissionError if the folder does not exist or is a submission itself.
    """
    if not folder.is_dir():
        raise SubmissionError(f"There is no folder {folder}; give the folder with one subfolder per submission.")
    if is_submission(folder):
        raise SubmissionError(f"{folder} is one submission; give the folder that contains it.")
    found = sorted(
        item for item in folder.iterdir() if not item.name.startswith(".") and (item.is_dir() or item.is_symlink())
    )
    if found and not any(map(is_submission, found)):
        for item in filter(Path.is_dir, found):
            if item.name == "submissions" or any(map(is_submission, item.iterdir())):
                raise SubmissionError(
                    f"{folder} has no submissions of its own; give {item}, the folder that holds them."
                )
        raise SubmissionError(
            f"{folder} has no submissions: {found[0].name} has none of {', '.join(_LARGEST)}. `etl-bench board submit` "
            "makes one."
        )
    return found


def is_submission(folder: Path) -> bool:
    """Whether a folder is one submission rather than a folder of submissions."""
    return any((folder / file).exists() or (folder / file).is_symlink() for file in _LARGEST)


def _name(folder: Path) -> str:
    """The name of a submission, that of its folder; raises SubmissionError if it is not allowed."""
    name = folder.name or folder.resolve().name
    if not _NAME.fullmatch(name):
        raise SubmissionError(
            f"The folder name {name!r:.80} is not allowed; use lower-case letters, digits and hyphens, at most 63."
        )
    return name


def _check_files(folder: Path) -> None:
    if folder.is_symlink() or not folder.is_dir():
        raise SubmissionError(f"{folder} is not a folder, or is a link; give the folder of a submission.")
    found = {item.name: item for item in folder.iterdir()}
    if missing := sorted(set(_LARGEST) - set(found)):
        raise SubmissionError(f"{folder} lacks {', '.join(missing)}; `etl-bench board submit` writes all three files.")
    if others := sorted(set(found) - set(_LARGEST)):
        raise SubmissionError(
            f"{folder} holds {', '.join(f'{name!r:.60}' for name in others[:3])}; a submission has the files "
            f"{', '.join(sorted(_LARGEST))} and no others."
        )
    for name, most in _LARGEST.items():
        state = found[name].lstat()
        if not stat.S_ISREG(state.st_mode):
            raise SubmissionError(f"{name} is a link or not a file; a submission holds plain files.")
        if state.st_size > most:
            raise SubmissionError(f"{name} has {state.st_size} bytes; at most {most} are allowed.")


def _text(path: Path) -> str:
    try:
        return foreign_files.read_text(path, _LARGEST[path.name])
    except UnicodeDecodeError as error:
        raise SubmissionError(f"{path.name} is not UTF-8 text.") from error


def earlier_facts(folder: Path, *, force: bool = False) -> dict[str, object]:
    """What the submission that a new one replaces states; empty for a new folder.

    Raises SubmissionError if the folder's name is not allowed, it holds other files, or (unless `force`) its files were
    not written by `board submit`, or its cards were changed since.
    """
    _name(folder)
    inside = sorted(item.name for item in folder.iterdir()) if folder.is_dir() else []
    if others := [name for name in inside if name not in (FACTS, CARDS, BUNDLE)]:
        raise SubmissionError(f"{folder} holds {others[0]!r}; give a new folder, or one with a submission only.")
    file = folder / FACTS
    text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    written = re.match(_WRITTEN.format(r"(\d+)") + "\n", text)
    if inside and not written and not force:
        raise SubmissionError(
            f"{folder} holds {inside[0]!r}, and `etl-bench board submit` did not write it; give a new folder, or "
            "replace it with --force."
        )
    if written and not force and CARDS in inside and (folder / CARDS).stat().st_size != int(written[1]):
        raise SubmissionError(
            f"{folder / CARDS} was changed since `etl-bench board submit` wrote it; give a new folder, or replace it "
            "with --force."
        )
    try:
        return parse_facts(text).model_dump() if written else {}
    except SubmissionError:
        if force:
            return {}
        raise


def prepare_submission(folder: Path, shards: Shards, run_ids: Sequence[str], facts: SubmissionFacts) -> Exported:
    """Write the three files of a submission; see `earlier_facts` for what is there. BundleError if a run is damaged."""
    done = export_bundle(shards, run_ids, folder / BUNDLE, force=True, listed=False)
    settings: dict[str, set[str]] = {}
    for run_id in run_ids:
        if (record := shards.record(run_id)) is not None:
            settings.setdefault(record.spec.method, set()).update(f"{k} = {v}" for k, v in record.spec.config.items())
    cards = _cards(settings).encode()
    write_atomically(folder / CARDS, cards)
    write_atomically(folder / FACTS, f"{_WRITTEN.format(len(cards))}\n{facts.to_toml()}".encode())
    return done


def _cards(settings: dict[str, set[str]]) -> str:
    """A card of each method: what it is, the settings of the runs, its code and its citation."""
    parts = ["# Methods\n"]
    for method, values in sorted(settings.items()):
        parts.append(f"## {method}\n")
        parts.append(_facts(method))
        if values:
            parts.append("Settings of the runs:\n\n" + "".join(f"- `{value}`\n" for value in sorted(values)))
    return re.sub(r"<(?=[A-Za-z/!?])", "< ", "\n".join(parts))


def _facts(method: str) -> str:
    try:
        facts = known_methods().get(method)
    except BenchError:
        return "This method was not installed when the card was written.\n"
    code = f"Version {facts.version}" + (f", source {facts.source_digest}" if facts.source_digest else "")
    return f"{facts.title}, {facts.family}. {facts.summary} {code}.\n\n```bibtex\n{facts.citation.strip()}\n```\n"
