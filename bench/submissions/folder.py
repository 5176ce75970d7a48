"""A submission on disk: a folder with exactly three files, read without trusting its names, links or sizes."""

import hashlib
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from bench.errors import SubmissionError
from bench.submissions.facts import SubmissionFacts, parse_facts

FACTS, CARDS, BUNDLE = "submission.toml", "methods.md", "runs.zip"
LARGEST = {FACTS: 64 * 2**10, CARDS: 2**20, BUNDLE: 2 * 2**30}
"""The files of a submission and their largest sizes in bytes."""
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_MARKUP = re.compile(r"<[A-Za-z/!?]")


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
    name = folder.name or folder.resolve().name
    if not NAME.fullmatch(name):
        raise SubmissionError(
            f"The folder name {name!r:.80} is not allowed; use lower-case letters, digits and hyphens, at most 63."
        )
    _check_files(folder)
    digest = hashlib.sha256()
    for file in sorted(LARGEST):
        with (folder / file).open("rb") as opened:
            digest.update(f"{file} {hashlib.file_digest(opened, 'sha256').hexdigest()}\n".encode())
    cards = _text(folder / CARDS)
    if _MARKUP.search(cards):
        raise SubmissionError(f"{CARDS} contains HTML; write Markdown without tags.")
    return Submission(name, folder, digest.hexdigest(), parse_facts(_text(folder / FACTS)), cards)


def submission_folders(folder: Path) -> list[Path]:
    """The folders of all submissions in a folder, sorted by name; raises SubmissionError if the folder does not exist.

    Hidden files and files such as a README are not submissions. A link is listed, so that its check refuses it.
    """
    if not folder.is_dir():
        raise SubmissionError(f"There is no folder {folder}; give the folder with one subfolder per submission.")
    return sorted(
        item for item in folder.iterdir() if not item.name.startswith(".") and (item.is_dir() or item.is_symlink())
    )


def is_submission(folder: Path) -> bool:
    """Whether a folder is one submission rather than a folder of submissions."""
    return any((folder / file).exists() or (folder / file).is_symlink() for file in LARGEST)


def _check_files(folder: Path) -> None:
    if folder.is_symlink() or not folder.is_dir():
        raise SubmissionError(f"{folder} is not a folder, or is a link; give the folder of a submission.")
    found = {item.name: item for item in folder.iterdir()}
    if missing := sorted(set(LARGEST) - set(found)):
        raise SubmissionError(f"{folder} lacks {', '.join(missing)}; `etl-bench submit` writes all three files.")
    if others := sorted(set(found) - set(LARGEST)):
        raise SubmissionError(
            f"{folder} holds {', '.join(f'{name!r:.60}' for name in others[:3])}; a submission has the files "
            f"{', '.join(sorted(LARGEST))} and no others."
        )
    for name, most in LARGEST.items():
        state = found[name].lstat()
        if not stat.S_ISREG(state.st_mode):
            raise SubmissionError(f"{name} is a link or not a file; a submission holds plain files.")
        if state.st_size > most:
            raise SubmissionError(f"{name} has {state.st_size} bytes; at most {most} are allowed.")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SubmissionError(f"{path.name} is not UTF-8 text.") from error
