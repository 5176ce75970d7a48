"""`etl-bench export`: writes leaderboards for papers and spreadsheets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import _options as opt
from bench.cli._print import print_line
from bench.errors import UsageError
from bench.results import check_output_file, check_output_folder

if TYPE_CHECKING:
    from bench.analysis import Leaderboard


class Format(StrEnum):
    """The formats of `export`."""

    CSV = "csv"
    PARQUET = "parquet"
    MARKDOWN = "markdown"
    LATEX = "latex"
    EEE = "eee"
    HF = "hf"
    HF_RESULTS = "hf-results"
    MTEB = "mteb"


FOLDERS = (Format.EEE, Format.HF, Format.HF_RESULTS, Format.MTEB)
"""Formats that write a folder of files, one per entry of a board."""


def export(
    form: Annotated[
        str, typer.Option("--format", help="csv, parquet, markdown, latex (booktabs), eee, hf, hf-results or mteb.")
    ] = "csv",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="File to write, or the folder for eee, hf, hf-results and mteb. parquet needs it too."
        ),
    ] = None,
    runs: opt.Runs = opt.DEFAULT_RUNS,
    protocol: opt.Protocol = None,
    shots: opt.Shots = None,
    organization: Annotated[
        str, typer.Option("--organization", help="Provider of the results, for eee.")
    ] = "not stated",
    benchmark: Annotated[
        str | None, typer.Option("--benchmark", help="Dataset repository of the benchmark, OWNER/NAME, for hf-results.")
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source-url", help="Web page of the leaderboard, for hf-results.")
    ] = None,
    by_dataset: Annotated[bool, typer.Option("--by-dataset", help="One row per dataset instead of averages.")] = False,
    convention: opt.Convention = "mean_of_h",
) -> None:
    """Write leaderboards: csv and parquet contain fractions and run ids, markdown and latex the numbers of the page.

    Markdown and LaTeX mark the best value of each column and the values that do not differ significantly from it.
    Results of older code (†) and imported runs that were not verified (‡) are marked in every format. Averages equal
    those of the page: if runs are missing, they cover the datasets and seeds that all methods have. "n of expected"
    counts the runs. In csv, an apostrophe precedes text that a spreadsheet would run as a formula. In parquet, shots is
    null and support is all for runs on all training images.

    eee writes one JSON document per entry in the schema of Every Eval Ever 0.3.0. hf writes one model card per entry,
    with `model-index` metadata that the Hugging Face Hub reads. hf-results writes one folder per entry with the file
    `.eval_results/clip-etl-bench.yaml` for a model repository, and `eval.yaml` for the benchmark's repository. mteb
    writes `results/MODEL/REVISION/TASK.json`, which mteb's classes read.

    Example: etl-bench export --format latex --out table.tex
    """
    import pandas as pd

    from bench.analysis import (
        HConvention,
        build_leaderboards,
        dataset_rows,
        dataset_table,
        export_table,
        to_csv,
        to_latex,
        to_markdown,
    )
    from bench.results import fresh_store, write_parquet
    from bench.sweep import missing_specs, unfinished_sweeps

    kind = opt.parse_choice(Format, form, "--format")
    if out is None and kind is Format.PARQUET:
        raise UsageError("--format parquet needs a file; name one with --out.")
    if out is None and kind in FOLDERS:
        raise UsageError(f"--format {kind} writes a folder of files; name it with --out.")
    if kind is Format.HF_RESULTS and benchmark is None:
        raise UsageError("--format hf-results needs --benchmark OWNER/NAME.")
    if kind is not Format.HF_RESULTS and (benchmark is not None or source is not None):
        raise UsageError(f"--benchmark and --source-url are for --format hf-results; leave them out for {kind}.")
    if out is not None:
        check_output_folder(out, "--out") if kind in FOLDERS else check_output_file(out, "--out")
    how = opt.parse_choice(HConvention, convention, "--h")
    frame = fresh_store(runs).runs_frame(outcomes=True, installed=True)
    planned = missing_specs(unfinished_sweeps(runs))
    boards = build_leaderboards(
        frame,
        protocol=protocol,
        shots=opt.shot_counts(shots),
        convention=how,
        planned=planned,
        compared=not by_dataset,
    )
    if not boards:
        raise UsageError(f"No runs in {runs} match these options; `etl-bench leaderboard` lists what is available.")
    if kind in FOLDERS and out is not None:
        for path in _write_folder(_files(boards, kind, runs, organization, benchmark or "", source), out):
            print_line(str(path))
        return
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
    rows = [dataset_rows(board) if by_dataset else board.rows() for board in boards]
    if kind is Format.PARQUET and out is not None:
        tables = [pd.DataFrame(part).assign(**b.setting.columns()) for part, b in zip(rows, boards, strict=True)]
        write_parquet(pd.concat(tables, ignore_index=True).astype({"shots": "Int64"}), out)
        return
    if kind is Format.CSV:
        texts = [to_csv(part) for part in rows]
    else:
        write = to_latex if kind is Format.LATEX else to_markdown
        if by_dataset:
            texts = [write(dataset_table(board, frame, name)) for board in boards for name in board.measures]
        else:
            texts = [write(export_table(board, frame)) for board in boards]
    text = "\n".join(texts)
    if out is None:
        print_line(text.rstrip("\n"))
    else:
        out.write_text(text, encoding="utf-8")


def _files(
    boards: Sequence[Leaderboard], kind: Format, runs: Path, organization: str, benchmark: str, source: str | None
) -> dict[str, str]:
    """The texts of a format's files, by name."""
    from bench.boards import eee_documents, eval_results, model_cards, results_tree
    from bench.results import Shards

    if kind is Format.EEE:
        documents = eee_documents(boards, organization=organization, made=datetime.now(UTC))
        return {name: json.dumps(document, indent=1) + "\n" for name, document in documents.items()}
    if kind is Format.HF_RESULTS:
        return eval_results(boards, benchmark=benchmark, source=source)
    if kind is Format.MTEB:
        return results_tree(boards, Shards(runs).record, Shards(runs).difficulties.read)
    return model_cards(boards)


def _write_folder(files: Mapping[str, str], out: Path) -> list[Path]:
    """Write the files and return their paths."""
    from bench.results import write_atomically

    for name, text in files.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(out / name, text.encode())
    return [out / name for name in files]
