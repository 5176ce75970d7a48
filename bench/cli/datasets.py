"""`etl-bench datasets`: lists datasets, adds own ones, checks and fetches copies, and writes draws."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench._util.words import counted
from bench.api import check_datasets, dataset_facts, datasets_table, datasets_to_fetch, drawn_support
from bench.cli import _options as opt
from bench.cli._commands import Commands
from bench.cli._groups import LIST, SHOW, ListsByDefault
from bench.cli._options_of import options_of
from bench.cli._print import print_facts, print_json, print_line, print_table, remark
from bench.cli.datasets_add import add
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.api import DatasetToFetch
    from datasets_registry import CheckResult, SourceFile

SECONDS_BETWEEN_LINES = 10.0
_LINES = ("known_problems", "overlap_with_pretraining_data")

datasets_app = Commands(
    cls=ListsByDefault,
    help="List the datasets, show one (`etl-bench datasets NAME`), add your own, or check and fetch them.",
)


@datasets_app.command(LIST)
@options_of(datasets_table)
def _list_command(as_json: opt.AsJson = False, **options: Any) -> None:
    """List the datasets.

    The column `get` is `built in`, `fetch` (`datasets fetch` downloads it), `by hand` (`datasets fetch` says how),
    `your own`, or `on disk` (found in --data-root).
    """
    print_table(datasets_table(**options), as_json=as_json)


@datasets_app.command(SHOW)
@options_of(dataset_facts)
def _show(as_json: opt.AsJson = False, **options: Any) -> None:
    """Show the properties of one dataset and, with --data-root, the content of your copy."""
    facts = dataset_facts(**options)
    lists = {} if as_json else {key: "\n".join(facts[key]) for key in _LINES}
    print_facts(facts | lists, as_json=as_json)
    if facts["test_images"] is None and not as_json:
        remark("Next: give --data-root FOLDER to see the content of your copy")


datasets_app.command("add")(add)


@datasets_app.command("check")
@options_of(check_datasets)
def _check(as_json: opt.AsJson = False, **options: Any) -> None:
    """Check split, counts and every image, and name the command that fixes each problem. Needs no network.

    Digests of the files are written to DATA-ROOT/.etl-bench/NAME.json, or to your cache folder if DATA-ROOT belongs to
    someone else. Exit code: 0 no problems, 1 problems found, 2 wrong usage.

    Example: etl-bench datasets check eurosat
    """
    checks, absent = check_datasets(**options)
    if absent is None:
        root = options.get("data_root")
        where = (
            "give --data-root or ETL_BENCH_DATA, or a name" if root is None else f"no dataset is in {root}; give a name"
        )
        remark(f"nothing to check: {where}")
    elif absent:
        remark(f"not here: {counted(absent, 'more dataset')}, which `etl-bench datasets` lists")
    checkups: list[CheckResult] = []
    for checkup in checks:
        checkups.append(checkup)
        if not as_json:
            for line in _checkup_lines(checkup):
                print_line(line)
    if as_json:
        print_json([checkup.facts() for checkup in checkups])
    raise typer.Exit(1 if any(checkup.problems for checkup in checkups) else 0)


def _checkup_lines(checkup: CheckResult) -> list[str]:
    problems = len(checkup.problems)
    state = f"{problems} problem{'s' if problems > 1 else ''}" if problems else "fine"
    lines = [f"{checkup.name}: {state}"]
    if checkup.counts:
        counts = ", ".join(f"{n} {part}" for part, n in checkup.counts.items())
        layout = f"; layout: {checkup.layout}" if checkup.layout else ""
        lines.append(f"  {counts}; {counted(checkup.checked, 'image')} opened{layout}")
    for finding in checkup.findings:
        lines.append(f"  {finding.level}: {finding.code}: {' '.join(finding.text.split())}")
        if finding.fix:
            lines.append(f"    fix: {finding.fix}")
    if checkup.file is not None:
        lines.append(f"  fingerprint {checkup.fingerprint['contents']} in {checkup.file}")
    return lines


@datasets_app.command("draw")
@options_of(drawn_support)
def draw_command(out: Path | None, **options: Any) -> None:
    """Write the images of a draw as JSON: keys, labels, content digests, class names and their source.

    With noisy:RATE, `true_labels` lists the true label of each image whose label was changed.

    `etl-bench run --support FILE` trains on these images, on any machine that has them.

    Example: etl-bench datasets draw eurosat --shots 16 --seed 1 --out eurosat-16-1.json
    """
    task, text = drawn_support(out=out, **options)
    images, classes = counted(len(task.support), "image"), counted(len(task.support.classes), "class")
    print_line(text if out is None else f"{images} of {classes} in {out}")


@datasets_app.command("fetch")
@options_of(datasets_to_fetch)
def fetch(
    data_root: Path | None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Accept the licences without a prompt.")] = False,
    **options: Any,
) -> None:
    """Fetch datasets into --data-root, in CoOp's layout. Repeat the command to resume an interrupted fetch.

    Licences and sizes of all datasets are shown first and accepted once. A dataset that fails does not stop the others.

    Exit code: 0 complete, 1 something could not be fetched or needs a manual step, 2 wrong usage.

    Example: etl-bench datasets fetch all-of coop --data-root data
    """
    from datasets_registry import DataError, FetchProgress, fetch_dataset

    todo = datasets_to_fetch(data_root=data_root, **options)
    assert data_root is not None, "its absence was refused"
    for item in todo:
        for line in _introduction(item):
            remark(line)
    if len(todo) > 1:
        remark(f"In all: {_amount([file for item in todo for file in item.missing])}")
    if any(item.missing for item in todo) and not yes:
        if not sys.stdin.isatty():
            raise UsageError("The licences above must be accepted; without a terminal, accept them with --yes.")
        if not typer.confirm("Accept the licences and fetch?", err=True):
            raise typer.Exit(1)
    report = FetchProgress(line=remark, progress=_Display)
    failed: list[str] = []
    by_hand: dict[str, str] = {}
    for item in todo:
        name = item.info.name
        try:
            outcome = fetch_dataset(item.info, item.source, data_root, item.options, report)
        except DataError as error:
            failed.append(name)
            remark(f"error: {name}: {' '.join(str(error).split())}")
            continue
        what = f"fetched {', '.join(outcome.fetched)}" if outcome.fetched else "nothing to fetch"
        present = f"; already present: {', '.join(outcome.kept)}" if outcome.kept else ""
        print_line(f"{name}: {what}{present}")
        if outcome.by_hand:
            by_hand[name] = outcome.by_hand
    for name, instructions in by_hand.items():
        print_line(f"{name}: left to do by hand: {instructions}")
    complete = [item.info.name for item in todo if item.info.name not in {*failed, *by_hand}]
    if len(todo) > 1:
        unfinished = [
            f"; {what}: {', '.join(names)}" for what, names in (("failed", failed), ("by hand", by_hand)) if names
        ]
        print_line(f"complete: {len(complete)} of {counted(len(todo), 'dataset')}{''.join(unfinished)}")
    if complete:
        remark(f"Next: etl-bench datasets check {' '.join(complete)} --data-root {data_root}")
    raise typer.Exit(1 if failed or by_hand else 0)


def _introduction(item: DatasetToFetch) -> list[str]:
    info, todo = item.info, item.missing
    files = ", ".join(f"{file.name}{f' ({_bytes(file.size)})' if file.size else ''}" for file in todo)
    if len(todo) > 2 and any(file.size for file in todo):
        files = f"{_amount(todo)}: {files}"
    lines = [f"{info.title} ({info.name})", f"  licence: {info.licence}"]
    if not info.licence_is_known:
        lines.append("  warning: no licence is known; ask the owner before you use or share the images")
    lines += [f"  home page: {info.homepage}", f"  to fetch: {files or 'nothing'}"]
    if (mirror := item.source.mirror) in todo and mirror is not None:
        kind = "a mirror" if mirror.checksum else "an unverified mirror"
        lines.append(f"  the images are from {kind}, {mirror.page()}; they must include every image of the split file")
    return [*lines, "  by hand: the images, as described at the end"] if item.by_hand else lines


def _amount(files: Sequence[SourceFile]) -> str:
    """The number of files and their bytes, as far as the sizes are published."""
    sizes = [file.size for file in files if file.size]
    if files and not sizes:
        return f"{counted(len(files), 'file')} of unknown size"
    least = "at least " if len(sizes) < len(files) else ""
    return f"{counted(len(files), 'file')}, {least}{_bytes(sum(sizes))}"


class _Display:
    """Progress of one file on standard error: an updating line on a terminal, occasional lines elsewhere."""

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self._clock = clock
        self._begin = clock()
        self._last = self._begin
        self._first: int | None = None
        self._moves = sys.stderr.isatty()

    def __call__(self, done: int, total: int | None) -> None:
        now = self._clock()
        if self._first is None:
            self._first = done
        finished = total is not None and done >= total
        if not finished and now - self._last < (0.2 if self._moves else SECONDS_BETWEEN_LINES):
            return
        self._last = now
        pace = (done - self._first) / max(now - self._begin, 1e-6)
        of = f" of {_bytes(total)}" if total else ""
        text = f"{self.name}: {_bytes(done)}{of}, {_bytes(round(pace))}/s"
        if self._moves:
            sys.stderr.write(f"\r\x1b[K{text}{chr(10) if finished else ''}")
        else:
            sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def _bytes(n: int | None) -> str:
    size = float(n or 0)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 10 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
