"""A submission: a folder with a bundle of runs and its facts in `submission.toml`, and how it is prepared."""

import hashlib
import json
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from bench.bounds import Moment, plain_text
from bench.extensions.boards.errors import BoardError
from bench.results import Exported, Shards, export_bundle, write_atomically
from datasets_registry import foreign_files


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
    who: Plain = Field(description="one line: authors or laboratory")
    contact: Contact = Field(description="an e-mail address or an https address")
    licence: Licence = Field(description="the licence of the results, an SPDX identifier such as CC-BY-4.0")
    code: Link = Field("", description="an https address of the code that made the runs, or nothing")
    notes: Notes = Field("", description="one line for readers")
    verify: bool = Field(False, description="whether the board is asked to recompute some of the runs")
    submitted: Annotated[Moment, AfterValidator(_zoned)] = Field(
        description="the time of preparation with its zone, such as 2026-11-26T12:00:00Z"
    )


def read_facts(values: Mapping[str, object], place: str) -> SubmissionFacts:
    """Facts from options or a file, which `place` names; raises BoardError for the first that is wrong."""
    try:
        return SubmissionFacts.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = str(first["loc"][0])
        if first["type"] == "extra_forbidden":
            allowed = ", ".join(SubmissionFacts.model_fields)
            raise BoardError(f"{place}: unknown key {key!r}; allowed: {allowed}.") from error
        if first["type"] == "missing":
            raise BoardError(f"{place}: {key!r} is missing.") from error
        description = SubmissionFacts.model_fields[key].description
        why = "" if first["type"] == "string_pattern_mismatch" else f"{first['msg'].removeprefix('Value error, ')}; "
        raise BoardError(
            f"{place}: {key} {first['input']!r:.80} is not accepted: {why}it must be {description}."
        ) from error


FACTS, BUNDLE = "submission.toml", "runs.zip"
_WRITTEN = "# Written by etl-bench board submit"
"""First line of a written `submission.toml`; a folder with it is replaced without a question."""
_LARGEST = {FACTS: 64 * 2**10, BUNDLE: 2 * 2**30}
"""The files of a submission and their largest sizes in bytes."""
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


@dataclass(frozen=True)
class Submission:
    """A submission whose folder and facts are in order; its runs have not been checked.

    Args:
        name: of its folder.
        bundle: the bundle of its runs.
        digest: of its two files; it names the content.
    """

    name: str
    bundle: Path
    digest: str
    facts: SubmissionFacts


def open_submission(folder: Path) -> Submission:
    """Read the folder of a submission.

    Raises BoardError if its name is not allowed, a file is missing, too large, a link or not one of the two, or
    if `submission.toml` is wrong.
    """
    name = _name(folder)
    _check_files(folder)
    digest = hashlib.sha256()
    for file in sorted(_LARGEST):
        with (folder / file).open("rb") as opened:
            digest.update(f"{file} {hashlib.file_digest(opened, 'sha256').hexdigest()}\n".encode())
    try:
        values = foreign_files.parse_toml(foreign_files.read_text(folder / FACTS, _LARGEST[FACTS]))
    except ValueError as error:
        raise BoardError(f"{FACTS} is not TOML ({error}).") from error
    return Submission(name, folder / BUNDLE, digest.hexdigest(), read_facts(values, FACTS))


def submission_folders(folder: Path) -> list[Path]:
    """The folders of all submissions in a folder, sorted by name.

    Hidden files and files such as a README are not submissions. A link is listed, so that its check refuses it. Raises
    BoardError if the folder does not exist, is a submission itself, or has no submission.
    """
    if not folder.is_dir():
        raise BoardError(f"There is no folder {folder}; give the folder with one subfolder per submission.")
    if is_submission(folder):
        raise BoardError(f"{folder} is one submission; give the folder that contains it.")
    folders = sorted(
        item for item in folder.iterdir() if not item.name.startswith(".") and (item.is_dir() or item.is_symlink())
    )
    if any(map(is_submission, folders)):
        return folders
    for item in filter(Path.is_dir, folders):
        if item.name == "submissions" or any(map(is_submission, item.iterdir())):
            raise BoardError(f"{folder} has no submissions of its own; give {item}, the folder that holds them.")
    reason = f"{folders[0].name} has none of {', '.join(_LARGEST)}" if folders else "it has no subfolder"
    raise BoardError(f"{folder} has no submissions: {reason}. `etl-bench board submit` makes one.")


def is_submission(folder: Path) -> bool:
    """Whether a folder is one submission rather than a folder of submissions."""
    return any((folder / file).exists() or (folder / file).is_symlink() for file in _LARGEST)


def _name(folder: Path) -> str:
    """The name of a submission, that of its folder; raises BoardError if it is not allowed."""
    name = folder.name or folder.resolve().name
    if not _NAME.fullmatch(name):
        raise BoardError(
            f"The folder name {name!r:.80} is not allowed; use lower-case letters, digits and hyphens, at most 63."
        )
    return name


def _check_files(folder: Path) -> None:
    if folder.is_symlink() or not folder.is_dir():
        raise BoardError(f"{folder} is not a folder, or is a link; give the folder of a submission.")
    files = {item.name: item for item in folder.iterdir()}
    if missing := sorted(set(_LARGEST) - set(files)):
        raise BoardError(f"{folder} lacks {', '.join(missing)}; `etl-bench board submit` writes both files.")
    if unexpected := sorted(set(files) - set(_LARGEST)):
        raise BoardError(
            f"{folder} holds {', '.join(f'{name!r:.60}' for name in unexpected[:3])}; a submission has the files "
            f"{', '.join(sorted(_LARGEST))} and no others."
        )
    for name, most in _LARGEST.items():
        state = files[name].lstat()
        if not stat.S_ISREG(state.st_mode):
            raise BoardError(f"{name} is a link or not a file; a submission holds plain files.")
        if state.st_size > most:
            raise BoardError(f"{name} has {state.st_size} bytes; at most {most} are allowed.")


def check_new(folder: Path, *, force: bool = False) -> None:
    """Raise BoardError unless a submission may be written to the folder.

    It may hold a submission that `board submit` wrote, or with `force` any submission, and no other files.
    """
    _name(folder)
    inside = sorted(item.name for item in folder.iterdir()) if folder.is_dir() else []
    if unexpected := [name for name in inside if name not in _LARGEST]:
        raise BoardError(f"{folder} holds {unexpected[0]!r}; give a new folder, or one with a submission only.")
    file = folder / FACTS
    written = file.is_file() and file.read_text(encoding="utf-8", errors="replace").startswith(_WRITTEN)
    if inside and not written and not force:
        raise BoardError(
            f"{folder} holds {inside[0]!r}, and `etl-bench board submit` did not write it; give a new folder, or "
            "replace it with --force."
        )


def prepare_submission(folder: Path, shards: Shards, run_ids: Sequence[str], facts: SubmissionFacts) -> Exported:
    """Write the files of a submission; see `check_new` for what is there. BundleError if a run is damaged."""
    exported = export_bundle(shards, run_ids, folder / BUNDLE, force=True, listed=False)
    lines = [_WRITTEN]
    for name, value in facts:
        is_time = isinstance(value, datetime)
        text = f"{value:%Y-%m-%dT%H:%M:%SZ}" if is_time else json.dumps(value, ensure_ascii=False)
        lines.append(f"{name} = {text}")
    write_atomically(folder / FACTS, ("\n".join(lines) + "\n").encode())
    return exported
