"""The repository of a board: README, folder of submissions, and continuous integration for GitHub and GitLab."""

from pathlib import Path

from bench.bounds import plain_text
from bench.extensions.boards.errors import BoardError
from bench.results import write_atomically

_FILES = Path(__file__).with_name("repository")
_NO_REQUIREMENT = "# Write the address of a clip-etl-bench repository or wheel here, such as git+https://..."
_HIDDEN = "dot-"
"""Prefix that stands for a dot in file names, because packages leave out hidden files."""


def write_template(folder: Path, title: str, requirement: str | None = None, *, force: bool = False) -> list[Path]:
    """Write the files of a new board and return their paths.

    Args:
        title: heading of the repository's README.
        requirement: what pip installs in continuous integration; None writes a line to fill in. The bare package name
            is not the default, since nobody owns it on the package index yet.

        force: write into a folder in use, and replace its files of the same names.

    Raises BoardError, before anything is written, if the folder is in use or the title is not plain text.
    """
    values = {"@TITLE@": _plain(title, "title"), "@REQUIREMENT@": _plain(requirement or _NO_REQUIREMENT, "requirement")}
    content = {}
    for path in (path for path in _FILES.rglob("*") if path.is_file()):
        text = path.read_text(encoding="utf-8")
        for key, value in values.items():
            text = text.replace(key, value)
        place = folder / str(path.relative_to(_FILES)).replace(_HIDDEN, ".")
        content[place] = "\n".join(line.rstrip() for line in text.splitlines()) + "\n"
    inside = sorted(item.name for item in folder.iterdir() if item.name != ".git") if folder.is_dir() else []
    if inside and not force:
        raise BoardError(
            f"{folder} is in use: it contains {inside[0]!r}. Nothing was written; give a new folder or one with only "
            ".git, or write into this one with --force."
        )
    for path, text in content.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text.encode(), durable=False)
    return sorted(content)


def _plain(text: str, what: str) -> str:
    try:
        return plain_text(text.strip())
    except ValueError as error:
        raise BoardError(f"The {what} {text!r:.80} is not accepted: {error}.") from error
