"""`etl-bench datasets fetch`: downloads datasets after the user accepts their licences."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import _options as opt
from bench.cli._print import print_line, remark
from bench.errors import UsageError
from bench.results import check_output_folder

if TYPE_CHECKING:
    from datasets_registry import DatasetInfo, DatasetSource, SourceFile

SECONDS_BETWEEN_LINES = 10.0


def fetch(
    names: Annotated[list[str], typer.Argument(help="Datasets: names or patterns.")],
    data_root: opt.DataRoot = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Accept the licences without a prompt.")] = False,
    splits_only: Annotated[
        bool, typer.Option("--splits-only", help="Fetch only the split file and the class names, no images.")
    ] = False,
    again: Annotated[bool, typer.Option("--again", help="Fetch existing files again and replace them.")] = False,
    mirror: Annotated[
        str | None,
        typer.Option("--mirror", help="Try this server first, at URL/FILE-NAME. Checksums are checked as usual."),
    ] = None,
) -> None:
    """Fetch datasets into --data-root, in CoOp's layout. Repeat the command to resume an interrupted fetch.

    Exit code: 0 complete, 1 something could not be fetched or needs a manual step, 2 wrong usage.
    """
    from datasets_registry import (
        DATASETS,
        DataError,
        FetchOptions,
        FetchProgress,
        dataset_sources,
        fetch_dataset,
        files_to_fetch,
    )

    if data_root is None:
        raise UsageError("No folder to fetch into was given; pass --data-root FOLDER or set ETL_BENCH_DATA.")
    check_output_folder(data_root, "--data-root")
    infos = [DATASETS.get(found) for name in opt.split_list(names) for found in DATASETS.match(name)]
    sources = dataset_sources()
    for info in infos:
        if info.name not in sources:
            why = "is synthetic and needs no download" if info.synthetic else "is not one of the published datasets"
            raise UsageError(f"Dataset {info.name!r} {why}; `datasets fetch` knows {', '.join(sorted(sources))}.")
    options = FetchOptions(splits_only=splits_only, again=again, mirror=mirror)
    missing = [files_to_fetch(info.name, sources[info.name], data_root, options)[0] for info in infos]
    for info, files in zip(infos, missing, strict=True):
        for line in _introduction(info, sources[info.name], files):
            remark(line)
    if any(missing) and not yes:
        if not sys.stdin.isatty():
            raise UsageError("The licences above must be accepted; without a terminal, accept them with --yes.")
        if not typer.confirm("Accept the licences and fetch?", err=True):
            raise typer.Exit(1)
    report = FetchProgress(line=remark, progress=_Display)
    incomplete = False
    for info in infos:
        try:
            done = fetch_dataset(info, sources[info.name], data_root, options, report)
        except DataError as error:
            incomplete = True
            remark(f"error: {info.name}: {' '.join(str(error).split())}")
            continue
        what = f"fetched {', '.join(done.fetched)}" if done.fetched else "nothing to fetch"
        kept = f"; already present: {', '.join(done.kept)}" if done.kept else ""
        print_line(f"{info.name}: {what}{kept}")
        if done.by_hand:
            incomplete = True
            print_line(f"{info.name}: left to do by hand: {done.by_hand}")
        else:
            remark(f"Next: etl-bench datasets check {info.name} --data-root {data_root}")
    raise typer.Exit(1 if incomplete else 0)


def _introduction(info: DatasetInfo, source: DatasetSource, todo: Sequence[SourceFile]) -> list[str]:
    files = ", ".join(f"{file.name}{f' ({_bytes(file.size)})' if file.size else ''}" for file in todo)
    if len(todo) > 2 and all(file.size for file in todo):
        files = f"{len(todo)} files, {_bytes(sum(file.size or 0 for file in todo))}: {files}"
    lines = [f"{info.title} ({info.name})", f"  licence: {info.licence}"]
    if not info.licence_is_known:
        lines.append("  warning: no licence is known; ask the owner before you use or share the images")
    lines += [f"  home page: {info.homepage}", f"  to fetch: {files or 'nothing'}"]
    return [*lines, "  by hand: the images, as described at the end"] if source.by_hand else lines


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
