"""Writes leaderboards in the formats of papers and spreadsheets, and in those of extensions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from bench.api.options import Convention, Force, NewRuns, Opt, Protocol, Shots
from bench.api.results import shot_counts
from bench.errors import UsageError
from bench.sweep import parse_choice
from datasets_registry import EvalProtocol

if TYPE_CHECKING:
    from bench.api.leaderboard_formats import Format


def export_leaderboards(
    form: Annotated[str, Opt("csv, parquet, markdown, latex, hf or hf-results.", "--format")] = "csv",
    out: Annotated[
        Path | str | None, Opt("File to write, or the folder for hf and hf-results. parquet needs it too.")
    ] = None,
    *,
    runs: NewRuns = "runs",
    protocol: Protocol = None,
    shots: Shots = None,
    by_dataset: Annotated[bool, Opt("One row per dataset instead of averages.")] = False,
    convention: Convention = "mean_of_h",
    force: Force = False,
    **options: str | None,
) -> tuple[str, list[Path]]:
    """Write leaderboards in one of the formats of `etl-bench export`.

    Args:
        form: csv, parquet, markdown or latex, or a format of an extension: hf or hf-results.
        out: a file, or a folder for the formats of extensions; None returns the text.
        runs: the runs folder.
        protocol: only this one.
        shots: only these.
        by_dataset: one row per dataset instead of averages.
        convention: the H of average rows, `mean_of_h` or `h_of_means`.
        force: replace files that etl-bench did not write.
        options: those of the format, such as `benchmark` and `source_url` of hf-results.

    Returns:
        The text, empty if it was written to `out`, and the files of a folder.

    Raises UsageError for options that do not fit, and if no run fits.
    """
    from bench.analysis import HConvention, build_leaderboards
    from bench.api.leaderboard_formats import Chosen, format_named
    from bench.results import fresh_store, write_listed, write_output
    from bench.sweep import missing_specs, unfinished_sweeps

    given = {name: value for name, value in options.items() if value is not None}
    chosen, out = format_named(form, given), None if out is None else Path(out)
    _check_place(form, chosen, out, force=force)
    how = parse_choice(HConvention, convention, "--h")
    protocol = None if protocol is None else parse_choice(EvalProtocol, protocol, "--protocol")
    frame = fresh_store(Path(runs)).runs_frame(outcomes=True, installed=True)
    boards = build_leaderboards(
        frame,
        protocol=protocol,
        shots=shot_counts(shots),
        convention=how,
        planned=missing_specs(unfinished_sweeps(Path(runs))),
        compared=not by_dataset,
    )
    if not boards:
        raise UsageError(f"No runs in {runs} match these options; `etl-bench leaderboard` lists what is available.")
    content = chosen.content(Chosen(boards, frame, by_dataset, given))
    if out is None:
        return str(content), []
    if isinstance(content, Mapping):
        return "", write_listed(out, {name: text.encode() for name, text in content.items()}, force=force)
    write_output(out, content.encode() if isinstance(content, str) else content, force=force)
    return "", []


def _check_place(form: str, chosen: Format, out: Path | None, *, force: bool) -> None:
    """Raise UsageError if the content of a format cannot be written to `out`, or not be printed."""
    from bench.results import check_output_file, check_own_folder

    if out is None:
        if form == "parquet" or not chosen.suffixes:
            raise UsageError(f"--format {form} needs a {'file' if chosen.suffixes else 'folder'}; name one with --out.")
    elif chosen.suffixes:
        check_output_file(out, "--out", force=force, suffixes=chosen.suffixes)
    else:
        check_own_folder(out, "--out", force=force)
