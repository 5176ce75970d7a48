"""`etl-bench export`: leaderboards for papers and spreadsheets."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bench.cli import _options as opt


class Format(StrEnum):
    """What `export` can write."""

    CSV = "csv"
    PARQUET = "parquet"
    MARKDOWN = "markdown"
    LATEX = "latex"


def export(
    form: Annotated[str, typer.Option("--format", help="csv, parquet, markdown or latex (booktabs).")] = "csv",
    out: Annotated[Path | None, typer.Option("--out", help="File to write; parquet needs one.")] = None,
    runs: opt.Runs = opt.DEFAULT_RUNS,
    protocol: Annotated[str | None, typer.Option("--protocol", help="Only this protocol.")] = None,
    shots: Annotated[str | None, typer.Option("--shots", help="Only these shots, such as 16 or 1,4,16.")] = None,
    by_dataset: Annotated[bool, typer.Option("--by-dataset", help="One row per dataset instead of averages.")] = False,
    convention: Annotated[
        str, typer.Option("--h", help="H of average rows: h_of_means (CoOp's tables) or mean_of_h (APEX's).")
    ] = "h_of_means",
) -> None:
    """Write leaderboards; csv and parquet hold fractions and run ids, markdown and latex the numbers of the page.

    Markdown and LaTeX mark the best value of each column and those that do not differ significantly from it.

    Example: etl-bench export --format latex --out table.tex
    """
    import pandas as pd

    from bench.analysis.leaderboard import HConvention, leaderboard, settings
    from bench.analysis.table_exports import dataset_rows, dataset_table, export_table, to_csv, to_latex, to_markdown
    from bench.cli._print import print_line
    from bench.errors import UsageError
    from bench.store import fresh_store, write_parquet

    kind = opt.parse_choice(Format, form, "--format")
    how = opt.parse_choice(HConvention, convention, "--h")
    counts = None if shots is None else opt.parse_numbers(shots, "--shots")
    frame = fresh_store(runs).runs_frame()
    boards = [
        leaderboard(frame, setting, convention=how)
        for setting in settings(frame)
        if (protocol is None or setting.protocol == protocol) and (counts is None or setting.shots in counts)
    ]
    if not boards:
        raise UsageError(f"No runs to export in {runs} that fit; `etl-bench leaderboard` lists what is available.")
    if kind is Format.PARQUET:
        if out is None:
            raise UsageError("--format parquet needs a file; name one with --out.")
        tables = [
            pd.DataFrame(dataset_rows(board) if by_dataset else board.rows()).assign(**vars(board.setting))
            for board in boards
        ]
        write_parquet(pd.concat(tables, ignore_index=True), out)
        return
    if kind is Format.CSV:
        texts = [to_csv(dataset_rows(board) if by_dataset else board.rows()) for board in boards]
    else:
        write = to_latex if kind is Format.LATEX else to_markdown
        made = [
            table
            for board in boards
            for table in (
                [dataset_table(board, frame, measure) for measure in board.measures]
                if by_dataset
                else [export_table(board, frame)]
            )
        ]
        texts = [write(table) for table in made]
    text = "\n".join(texts)
    if out is None:
        print_line(text.rstrip("\n"))
    else:
        out.write_text(text, encoding="utf-8")
