"""Which submission was first on a board with which run: by the history of its repository, elsewhere by name.

A date in a submission decides nothing, and neither does the date of a commit: the order of the commits does.
"""

import re
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import IO

from bench.errors import BundleError
from bench.extensions.boards.submissions.check import OwnChecks
from bench.extensions.boards.submissions.submission import BUNDLE
from bench.results import bundle_runs, open_bundle

TIME_LIMIT = 60
"""Seconds for one call of git."""
MOST_VERSIONS = 50
"""Versions of one submission that are read; one with more is dated by its newest version."""
LARGEST_BUNDLE = 256 * 2**20
"""Bytes of an earlier version that is read; a larger one counts as empty."""
_GIT = ("git", "--no-pager", "--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "log.follow=false")
_CHANGE = re.compile(rb":\d+ \d+ [0-9a-f]+ ([0-9a-f]{40,64}) [AMT]")

Place = tuple[int, int, str]
"""When a submission came with a run. The smaller one was first: committed before new."""
_COMMITTED, _NEW, _NEVER = range(3)


@dataclass(frozen=True)
class FirstSeen:
    """When each submission came with each of its runs; without places all are new and ordered by name.

    Args:
        committed: number of the commit by submission and run.
        newcomer: a submission that comes after all others with its other runs.
    """

    committed: Mapping[tuple[str, str], int] = field(default_factory=dict)
    newcomer: str = ""

    def place(self, name: str, run_id: str) -> Place:
        """When the submission came with the run."""
        key = name, run_id
        if key in self.committed:
            return _COMMITTED, self.committed[key], name
        return _NEVER if name == self.newcomer else _NEW, 0, name

    def came(self, own: OwnChecks) -> Place:
        """When the submission came with its first run; after all others if it has none."""
        return min((self.place(own.name, run.run_id) for run in own.runs), default=(_NEVER, 0, own.name))


def first_seen(folder: Path, submissions: Sequence[OwnChecks]) -> FirstSeen:
    """The order of the submissions in a folder, which hold the runs of `submissions`."""
    return FirstSeen(_committed(folder, submissions))


def owners(accepted: Sequence[OwnChecks], seen: FirstSeen) -> dict[str, str]:
    """For each run the submission that came with it first; the runs are in the order in which they came."""
    found: dict[str, Place] = {}
    for own in accepted:
        for run in own.runs:
            place = seen.place(own.name, run.run_id)
            found[run.run_id] = min(place, found.get(run.run_id, place))
    return {run_id: found[run_id][2] for run_id in sorted(found, key=lambda run_id: (found[run_id], run_id))}


def _committed(folder: Path, submissions: Sequence[OwnChecks]) -> dict[tuple[str, str], int]:
    """The number of the first commit with each submission and run; empty without a whole history."""
    versions = _versions(folder)
    found: dict[tuple[str, str], int] = {}
    for own in submissions:
        mine = versions.get(own.name, [])[-MOST_VERSIONS:]
        now = {run.run_id for run in own.runs}
        for number, blob in mine[:-1]:
            for run_id in _runs_of(folder, blob) & now:
                found.setdefault((own.name, run_id), number)
        for run_id in now if mine else ():
            found.setdefault((own.name, run_id), mine[-1][0])
    return found


def _versions(folder: Path) -> dict[str, list[tuple[int, str]]]:
    """The versions of each submission's bundle: the number of the commit on the main line, and git's name of it."""
    if _git(folder, "rev-parse", "--is-shallow-repository").strip() != b"false":
        return {}
    options = ("--first-parent", "-m", "--reverse", "--no-renames", "--raw", "--no-abbrev", "-z", "--relative")
    text = _git(
        folder, "log", *options, "--no-show-signature", "--no-ext-diff", "--no-color", "--format=%x01", "--", "."
    )
    found: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for number, commit in enumerate(text.split(b"\x01")):
        parts = [part.strip() for part in commit.split(b"\0")]
        for change, path in pairwise(parts):
            name, _, file = path.decode(errors="replace").partition("/")
            if (match := _CHANGE.fullmatch(change)) and file == BUNDLE:
                found[name].append((number, match[1].decode()))
    return found


def _runs_of(folder: Path, blob: str) -> set[str]:
    """The ids of the runs in an earlier version of a bundle; empty for one that cannot be read."""
    size = _git(folder, "cat-file", "-s", blob).strip()
    if not size.isdigit() or int(size) > LARGEST_BUNDLE:
        return set()
    with tempfile.NamedTemporaryFile(suffix=".zip") as file:
        _git(folder, "cat-file", "blob", blob, into=file)
        with suppress(BundleError), open_bundle(Path(file.name)) as bundle:
            return set(bundle_runs(bundle, Path(file.name)))
    return set()


def _git(folder: Path, *arguments: str, into: IO[bytes] | None = None) -> bytes:
    """What git prints; nothing if it is not installed, fails, or takes longer than the limit."""
    try:
        done = subprocess.run(
            [*_GIT, *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if into is None else into,
            stderr=subprocess.DEVNULL,
            timeout=TIME_LIMIT,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return b""
    return done.stdout or b""
