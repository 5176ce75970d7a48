"""Leaderboards in the formats of papers, spreadsheets and the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

import pandas as pd

from bench.analysis import HConvention, Leaderboard, board_rows, build_leaderboards, rank_entries, table_exports
from bench.boards import eval_results, model_cards
from bench.errors import UsageError
from bench.papers import registered
from bench.results import check_output_file, check_own_folder, fresh_store, write_listed, write_output, write_parquet
from bench.sweep import missing_specs, parse_choice, unfinished_sweeps
from datasets_registry import EvalProtocol


@dataclass(frozen=True)
class _Chosen:
    """Leaderboards, the frame of their runs, and how to write them; see `export_leaderboards`."""

    boards: Sequence[Leaderboard]
    frame: pd.DataFrame
    by_dataset: bool
    benchmark: str
    source: str | None


_Content = str | bytes | Mapping[str, str]
"""A text that can be printed, the bytes of a file, or the texts of a folder's files by name."""


def _csv(chosen: _Chosen) -> str:
    titles = registered().board_titles
    return "\n".join(
        table_exports.to_csv(table_exports.rows_by_dataset(board), titles(board))
        if chosen.by_dataset
        else table_exports.to_csv(board_rows(board), titles(board), rank_entries(board, chosen.frame).ranks)
        for board in chosen.boards
    )


def _tables(chosen: _Chosen) -> Iterator[table_exports.ExportTable]:
    for board in chosen.boards:
        titles = registered().board_titles(board)
        if chosen.by_dataset:
            yield from (table_exports.dataset_table(board, chosen.frame, measure, titles) for measure in board.measures)
        else:
            yield table_exports.export_table(board, chosen.frame, titles=titles)


def _parquet(chosen: _Chosen) -> bytes:
    rows_of = table_exports.rows_by_dataset if chosen.by_dataset else board_rows
    tables = [pd.DataFrame(rows_of(board)).assign(**board.setting.columns()) for board in chosen.boards]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        write_parquet(pd.concat(tables, ignore_index=True).astype({"shots": "Int64"}), path)
        return path.read_bytes()


def _eval_results(chosen: _Chosen) -> Mapping[str, str]:
    return eval_results(chosen.boards, benchmark=chosen.benchmark, source=chosen.source)


class Format(StrEnum):
    """The formats of leaderboards: name, content, and the suffixes of the file; without suffixes it is a folder."""

    content: Callable[[_Chosen], _Content]
    suffixes: Sequence[str]

    def __new__(cls, name: str, content: Callable[[_Chosen], _Content], *suffixes: str) -> Self:
        """A member, whose value is its name."""
        member = str.__new__(cls, name)
        member._value_, member.content, member.suffixes = name, content, suffixes
        return member

    CSV = "csv", _csv, ".csv", ".txt"
    PARQUET = "parquet", _parquet, ".parquet"
    MARKDOWN = (
        "markdown",
        lambda chosen: "\n".join(map(table_exports.to_markdown, _tables(chosen))),
        ".md",
        ".markdown",
        ".txt",
    )
    LATEX = "latex", lambda chosen: "\n".join(map(table_exports.to_latex, _tables(chosen))), ".tex", ".txt"
    HF = "hf", lambda chosen: model_cards(chosen.boards)
    HF_RESULTS = "hf-results", _eval_results


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
        force: replace files that etl-bench did not write.

    Returns:
        The text, empty if it was written to `out`, and the files of a folder.

    Raises UsageError for options that do not fit, and if no run fits.
    """
    kind, out = parse_choice(Format, form, "--format"), None if out is None else Path(out)
    if kind is Format.HF_RESULTS and benchmark is None:
        raise UsageError("--format hf-results needs --benchmark OWNER/NAME.")
    if kind is not Format.HF_RESULTS and (benchmark is not None or source is not None):
        raise UsageError(f"--benchmark and --source-url are for --format hf-results; leave them out for {kind}.")
    _check_place(kind, out, force=force)
    how = parse_choice(HConvention, convention, "--h")
    protocol = None if protocol is None else parse_choice(EvalProtocol, protocol, "--protocol")
    frame = fresh_store(Path(runs)).runs_frame(outcomes=True, installed=True)
    boards = build_leaderboards(
        frame,
        protocol=protocol,
        shots=shots,
        convention=how,
        planned=missing_specs(unfinished_sweeps(Path(runs))),
        compared=not by_dataset,
    )
    if not boards:
        raise UsageError(f"No runs in {runs} match these options; `etl-bench leaderboard` lists what is available.")
    content = kind.content(_Chosen(boards, frame, by_dataset, benchmark or "", source))
    if out is None:
        return str(content), []
    if isinstance(content, Mapping):
        return "", write_listed(out, {name: text.encode() for name, text in content.items()}, force=force)
    write_output(out, content.encode() if isinstance(content, str) else content, force=force)
    return "", []


def _check_place(kind: Format, out: Path | None, *, force: bool) -> None:
    """Raise UsageError if the content of a format cannot be written to `out`, or not be printed."""
    if out is None:
        if kind is Format.PARQUET or not kind.suffixes:
            raise UsageError(f"--format {kind} needs a {'file' if kind.suffixes else 'folder'}; name one with --out.")
    elif kind.suffixes:
        check_output_file(out, "--out", force=force, suffixes=kind.suffixes)
    else:
        check_own_folder(out, "--out", force=force)
