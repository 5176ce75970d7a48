"""Make a release: set the version, build sdist and wheel, check them in a clean environment, commit and tag.

    python -m tools.release 0.2.0             # or: make release VERSION=0.2.0

The tree must be committed. If a step fails, the files are as before, and there is no commit and no tag. Nothing is
published: push the commit and the tag, and upload `dist/`, when you have looked at them.
"""

import argparse
import datetime
import re
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")
PLACES = {
    "pyproject.toml": r'(?m)^version = "(.*)"$',
    "bench/__init__.py": r'(?m)^__version__ = "(.*)"$',
    "CITATION.cff": r"(?m)^version: (.*)$",
}
"""Files with the version, and where it is in them."""
CHANGELOG, UNRELEASED = "CHANGELOG.md", "## Unreleased\n"
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("--version",),
    ("--help",),
    ("methods",),
    ("doctor", "docs", "protocols"),
    ("demo", "--quick", "--runs", "runs/demo", "--out", "site"),
)
"""What the installed command must do, in an empty folder."""


class ReleaseError(Exception):
    """Why no release was made."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("version", help="such as 0.2.0")
    given = parser.parse_args(arguments)
    try:
        release(ROOT, given.version, check=check_in_clean_environment)
    except ReleaseError as error:
        sys.exit(f"error: {error}")
    sys.stdout.write(f"tagged v{given.version}; look at dist/, then push the commit and the tag\n")


def release(
    root: Path, version: str, *, check: Callable[[Path, Path], None], today: datetime.date | None = None
) -> None:
    """Make a release of the repository at `root`.

    Args:
        check: gets the wheel and the sdist, and raises ReleaseError if they do not work.
        today: date of the release.
    """
    _refuse(root, version)
    changed = {name: (root / name).read_text(encoding="utf-8") for name in (*PLACES, CHANGELOG)}
    day = today or datetime.datetime.now(datetime.UTC).date()
    try:
        for name, pattern in PLACES.items():
            (root / name).write_text(with_version(changed[name], pattern, version, name), encoding="utf-8")
        (root / CHANGELOG).write_text(with_section(changed[CHANGELOG], version, day), encoding="utf-8")
        check(*build(root, version))
    except BaseException:
        for name, text in changed.items():
            (root / name).write_text(text, encoding="utf-8")
        raise
    _git(root, "commit", "--quiet", "--message", f"Release {version}", "--", *changed)
    _git(root, "tag", "--annotate", f"v{version}", "--message", f"Release {version}")


def with_version(text: str, pattern: str, version: str, name: str) -> str:
    """The text of a file with another version; ReleaseError if it has none."""
    found = re.search(pattern, text)
    if found is None:
        raise ReleaseError(f"{name} has no version.")
    return text[: found.start(1)] + version + text[found.end(1) :]


def with_section(changelog: str, version: str, day: datetime.date) -> str:
    """The changelog with what was unreleased under the new version; ReleaseError if nothing was."""
    before, found, after = changelog.partition(UNRELEASED)
    entries = after.partition("\n## ")[0].strip()
    if not found or not entries:
        raise ReleaseError(f"{CHANGELOG} has nothing below '{UNRELEASED.strip()}', so there is nothing to release.")
    return f"{before}{UNRELEASED}\n## {version} ({day.isoformat()})\n{after}"


def build(root: Path, version: str) -> tuple[Path, Path]:
    """Build wheel and sdist into `dist/` and return them."""
    _run(root, sys.executable, "-m", "hatchling", "build", "--directory", "dist")
    wheel = next((root / "dist").glob(f"*-{version}-*.whl"), None)
    sdist = next((root / "dist").glob(f"*-{version}.tar.gz"), None)
    if wheel is None or sdist is None:
        raise ReleaseError(f"The build left no wheel or sdist of {version} in {root / 'dist'}.")
    return wheel, sdist


def check_in_clean_environment(wheel: Path, sdist: Path) -> None:
    """Install the wheel into a new environment and run its commands; then install the sdist and show its version."""
    constraints = ROOT / "constraints.txt"
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        venv.create(place / "venv", with_pip=True)
        python = place / "venv" / "bin" / "python"
        _run(place, str(python), "-m", "pip", "install", "--quiet", "--constraint", str(constraints), str(wheel))
        (place / "empty").mkdir()
        for arguments in COMMANDS:
            _run(place / "empty", str(python.with_name("etl-bench")), *arguments)
        _run(place, str(python), "-m", "pip", "install", "--quiet", "--force-reinstall", "--no-deps", str(sdist))
        _run(place / "empty", str(python.with_name("etl-bench")), "--version")


def _refuse(root: Path, version: str) -> None:
    """Raise ReleaseError if the version or the state of the repository does not allow a release."""
    wanted = VERSION.fullmatch(version)
    if wanted is None:
        raise ReleaseError(f"{version!r} is not a version; write three numbers such as 0.2.0.")
    found = re.search(PLACES["pyproject.toml"], (root / "pyproject.toml").read_text(encoding="utf-8"))
    now = VERSION.fullmatch(found[1]) if found else None
    if now is None:
        raise ReleaseError("pyproject.toml has no version of three numbers.")
    tags = _git(root, "tag", "--list").split()
    if f"v{version}" in tags:
        raise ReleaseError(f"The tag v{version} exists; choose a later version.")
    first = not tags and wanted[0] == now[0]
    if tuple(map(int, wanted.groups())) <= tuple(map(int, now.groups())) and not first:
        raise ReleaseError(f"{version} is not later than {now[0]}; choose a later version.")
    if changes := _git(root, "status", "--porcelain"):
        raise ReleaseError(f"The tree has changes that are not committed: {changes.splitlines()[0].strip()}.")


def _git(root: Path, *arguments: str) -> str:
    return _run(root, "git", *arguments)


def _run(folder: Path, *command: str) -> str:
    """The output of a command; ReleaseError with the end of what it said if it fails."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise ReleaseError(f"`{' '.join(command)}` failed:\n{said}")
    return done.stdout.strip()


if __name__ == "__main__":
    main()
