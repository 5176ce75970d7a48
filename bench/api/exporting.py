"""Leaderboards in the formats of papers, spreadsheets and other tools, and runs in experiment trackers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import UsageError
from bench.sweep import parse_choice
from datasets_registry import EvalProtocol

if TYPE_CHECKING:
    import pandas as pd

    from bench.analysis import Leaderboard


class Format(StrEnum):
    """The formats of a leaderboard."""

    CSV = "csv"
    PARQUET = "parquet"
    MARKDOWN = "markdown"
    LATEX = "latex"
    HF = "hf"
    HF_RESULTS = "hf-results"


FOLDERS = (Format.HF, Format.HF_RESULTS)
"""Formats that write a folder of files, one per entry of a board."""
SUFFIXES = {
    Format.CSV: (".csv", ".txt"),
    Format.PARQUET: (".parquet",),
    Format.MARKDOWN: (".md", ".markdown", ".txt"),
    Format.LATEX: (".tex", ".txt"),
}
"""Suffixes of the file of each other format."""


def export_leaderboards(
    form: str = "csv",
    out: str | Path | None = None,
    *,
    runs: str | Path = "runs",
    protocol: str | None = None,
    shots: Sequence[int] | None = None,
    by_dataset: bool = False,
    convention: str = "mean_of_h",
    benchmark: str | None = None,
    source: str | None = None,
    force: bool = False,
) -> tuple[str, list[Path]]:
    """Write leaderboards in one of the formats of `etl-bench export`.

    Args:
        form: csv, parquet, markdown, latex, hf or hf-results.
        out: a file, or a folder for the last two; None returns the text.
        runs: the runs folder.
        protocol: only this one.
        shots: only these.
        by_dataset: one row per dataset instead of averages.
        convention: the H of average rows, `mean_of_h` or `h_of_means`.
        benchmark: dataset repository of the benchmark, OWNER/NAME, for hf-results.
        source: web page of the leaderboard, for hf-results.
        force: replace files that etl-bench did not write, and tables, which cannot show who wrote them.

    Returns:
        The text, empty if it was written to `out`, and the files of a folder.

    Raises UsageError for options that do not fit, and if no run fits.
    """
    from bench.analysis import HConvention, build_leaderboards
    from bench.results import check_output_file, check_own_folder, fresh_store, write_listed, write_output
    from bench.sweep import missing_specs, unfinished_sweeps

    kind, out, runs = parse_choice(Format, form, "--format"), None if out is None else Path(out), Path(runs)
    if out is None and kind is Format.PARQUET:
        raise UsageError("--format parquet needs a file; name one with --out.")
    if out is None and kind in FOLDERS:
        raise UsageError(f"--format {kind} writes a folder of files; name it with --out.")
    if kind is Format.HF_RESULTS and benchmark is None:
        raise UsageError("--format hf-results needs --benchmark OWNER/NAME.")
    if kind is not Format.HF_RESULTS and (benchmark is not None or source is not None):
        raise UsageError(f"--benchmark and --source-url are for --format hf-results; leave them out for {kind}.")
    if out is not None:
        if kind in FOLDERS:
            check_own_folder(out, "--out", force=force)
        else:
            check_output_file(out, "--out", force=force, suffixes=SUFFIXES[kind])
    how = parse_choice(HConvention, convention, "--h")
    protocol = None if protocol is None else parse_choice(EvalProtocol, protocol, "--protocol")
    frame = fresh_store(runs).runs_frame(outcomes=True, installed=True)
    boards = build_leaderboards(
        frame,
        protocol=protocol,
        shots=shots,
        convention=how,
        planned=missing_specs(unfinished_sweeps(runs)),
        compared=not by_dataset,
    )
    if not boards:
        raise UsageError(f"No runs in {runs} match these options; `etl-bench leaderboard` lists what is available.")
    if kind in FOLDERS and out is not None:
        texts = _files(boards, kind, benchmark or "", source)
        return "", write_listed(out, {name: text.encode() for name, text in texts.items()}, force=force)
    if kind is Format.PARQUET and out is not None:
        _write_parquet(boards, out, by_dataset=by_dataset, force=force)
        return "", []
    text = _text(boards, frame, kind, by_dataset=by_dataset)
    if out is None:
        return text, []
    write_output(out, text.encode(), force=force)
    return "", []


def _text(boards: Sequence[Leaderboard], frame: pd.DataFrame, kind: Format, *, by_dataset: bool) -> str:
    from bench.analysis import (
        board_rows,
        dataset_rows,
        dataset_table,
        export_table,
        rank_entries,
        to_csv,
        to_latex,
        to_markdown,
    )
    from bench.papers import registered

    titles = registered().board_titles
    if kind is Format.CSV:
        return "\n".join(
            to_csv(dataset_rows(one), titles(one))
            if by_dataset
            else to_csv(board_rows(one), titles(one), rank_entries(one, frame).ranks)
            for one in boards
        )
    write = to_latex if kind is Format.LATEX else to_markdown
    if by_dataset:
        tables = [dataset_table(one, frame, name, titles(one)) for one in boards for name in one.measures]
    else:
        tables = [export_table(one, frame, titles=titles(one)) for one in boards]
    return "\n".join(map(write, tables))


def _write_parquet(boards: Sequence[Leaderboard], out: Path, *, by_dataset: bool, force: bool) -> None:
    import pandas as pd

    from bench.analysis import board_rows, dataset_rows
    from bench.results import replacing, write_parquet

    rows = [dataset_rows(board) if by_dataset else board_rows(board) for board in boards]
    tables = [pd.DataFrame(part).assign(**b.setting.columns()) for part, b in zip(rows, boards, strict=True)]
    with replacing(out, force=force) as draft:
        write_parquet(pd.concat(tables, ignore_index=True).astype({"shots": "Int64"}), draft)


def _files(boards: Sequence[Leaderboard], kind: Format, benchmark: str, source: str | None) -> dict[str, str]:
    """The texts of a format's files, by name."""
    from bench.boards import eval_results, model_cards

    if kind is Format.HF_RESULTS:
        return eval_results(boards, benchmark=benchmark, source=source)
    return model_cards(boards)


@dataclass(frozen=True)
class Sent:
    """Runs that a tracker received now, had before, and lacks."""

    target: str
    sent: int
    known: int
    missing: int


def send_runs(
    trackers: Sequence[str], runs: Path, *, where: str | None = None, say: Callable[[str], None]
) -> Iterator[Sent]:
    """Send finished runs to experiment trackers; `say` receives notes. Raises TrackerError if one is not installed."""
    from bench.api.stored_runs import chosen_runs
    from bench.boards import Sender, SendResult
    from bench.sweep import Target, check_installed

    targets = [Target.parse(text) for text in dict.fromkeys(trackers)]
    check_installed(targets)
    chosen = chosen_runs(runs, where, completed=True)
    with Sender(runs, targets, say, patience=None) as sender:
        for run_id in chosen:
            sender.finished(run_id)
    for target in targets:
        sent, known = sender.count(target, SendResult.SENT), sender.count(target, SendResult.KNOWN)
        yield Sent(str(target), sent, known, sender.missing(target))
