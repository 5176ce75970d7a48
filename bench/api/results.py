"""Results of finished runs: as a frame, a leaderboard, a comparison or a report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from bench._util.words import counted
from bench.api.claims import claims_table
from bench.api.comparisons import comparison_tables
from bench.api.leaderboards import leaderboard_tables
from bench.api.options import DEFAULT_RUNS, Arg, Convention, Opt, Protocol, Runs, Shots, shot_counts
from bench.api.reporting import build_report
from bench.errors import UsageError
from bench.sweep import parse_choice
from bench.table import Table, Tables
from datasets_registry import EvalProtocol

if TYPE_CHECKING:
    import pandas as pd

    from bench.analysis import Leaderboard, Verdict
    from bench.results import Store
    from bench.sweep import UnfinishedSweep
    from reports.views import OverviewView

SHORT_COLUMNS = (
    "method", "dataset", "shots", "seed", "protocol", "backbone", "run_id", "status", "n", "split", "accuracy", "low",
    "high",
)  # fmt: skip
"""Columns of `Results.to_frame`; pandas prints the first and the last ones of a frame."""
SHORT_DIFFICULTY = ("dataset", "split", "measure", "value", "n_classes", "n_images", "backbone")
"""Columns of `Results.difficulty`."""
SHORT_PREDICTIONS = ("split", "image", "label", "predicted", "rank", "probability")
"""Columns of `Results.predictions`."""


class Results:
    """The runs in a folder, or some of them, as they were when first read. `load_results` reads the folder again.

    Args:
        run_ids: the runs that count; None for all in the folder.
        failed: run id, label and message of the runs that failed in the sweep that made these results.
    """

    def __init__(
        self,
        folder: Path,
        run_ids: frozenset[str] | None = None,
        failed: Sequence[Mapping[str, object]] = (),
    ) -> None:
        self.folder = folder
        self.run_ids = run_ids
        self.failed = list(failed)

    def __len__(self) -> int:
        """How many runs have scores."""
        frame = self._frame
        return int(frame.loc[frame["split"].notna(), "run_id"].nunique())

    @property
    def partial(self) -> bool:
        """Whether the folder has runs that are not among these."""
        from bench.results import Shards

        return self.run_ids is not None and any(run_id not in self.run_ids for run_id in Shards(self.folder).scan())

    def to_frame(self, *, all_columns: bool = False) -> pd.DataFrame:
        """One row per run and split; accuracies are fractions 0..1. A failed run has one row and no split.

        `low` and `high` are the ends of the 95 % interval of an accuracy over test images like these. `all_columns`
        gives settings, costs, further scores and provenance instead of the interval.
        """
        from bench.analysis import wilson

        if all_columns:
            return self._frame.copy()
        pairs = zip(self._frame["accuracy"], self._frame["n"].astype(float), strict=True)
        ends = [wilson(value, int(n)) if n > 0 else (math.nan, math.nan) for value, n in pairs]
        low, high = zip(*ends, strict=True) if ends else ((), ())
        return self._frame.assign(low=low, high=high)[list(SHORT_COLUMNS)]

    def predictions(self, run: str, *, all_columns: bool = False) -> pd.DataFrame:
        """One row per test image of the run whose id begins with `run`, in the order of the test lists.

        `rank` is that of the true class, and `probability` that of the predicted one. `all_columns` gives the stored
        logits instead of the probability. Raises UsageError without one such run.
        """
        import numpy as np

        frame = self._store.predictions_frame(self._found(run))
        if all_columns:
            return frame
        top = frame["top_logits"].str[0].astype(float)
        return frame.assign(probability=np.exp(top - frame["log_sum_exp"]))[list(SHORT_PREDICTIONS)]

    def export(self, form: str = "csv", out: str | Path | None = None, **options: Any) -> str:
        """The leaderboards in one of the formats of `etl-bench export`, or a figure; see `export_leaderboards`.

        Returns the text, or if `out` is given, what was written: the file, or the line on a figure.
        """
        from bench.api.exporting import export_leaderboards

        return export_leaderboards(form, out, runs=self.folder, run_ids=self.run_ids, **options) or str(out)

    def _found(self, prefix: str) -> str:
        """The id of the run that begins so; raises UsageError without one among these."""
        from bench.results import only_run

        return only_run(sorted(set(self._frame["run_id"])), prefix, self.folder)

    def leaderboard(
        self,
        *,
        protocol: Protocol = None,
        shots: Shots = None,
        backbone: str | None = None,
        convention: Convention = "mean_of_h",
        costs: bool = True,
    ) -> Tables:
        """One ranking per backbone, protocol and shots: averages over datasets with their 95 % intervals.

        Args:
            protocol: only this one; likewise the next two.
            shots: images per class; `"all"` for runs on all training images.
            backbone: `arch.tag`.
            convention: the H of average rows: `"mean_of_h"` (mean over datasets, which the tests compare) or
                `"h_of_means"` (H of the average base and new accuracy, as in most papers' tables).
            costs: show parameters and training times, which differ between machines.

        Raises UsageError if no run fits.
        """
        from bench.analysis import board_verdicts
        from bench.papers import registered

        catalogue = registered()
        boards = [(board, board_verdicts(board)) for board in self._boards(protocol, shots, backbone, convention)]
        tables = leaderboard_tables(boards, self._overview, catalogue.board_titles, costs=costs)
        return Tables(tables, [str(sweep) for sweep in self.unfinished])

    def _boards(
        self,
        protocol: str | None,
        shots: int | str | Sequence[int] | None,
        backbone: str | None,
        convention: str = "mean_of_h",
    ) -> list[Leaderboard]:
        """The boards of `leaderboard`."""
        from bench.analysis import HConvention, board_settings, build_leaderboards
        from bench.results import no_runs
        from bench.sweep import missing_specs

        counts = shot_counts(shots)
        protocol = None if protocol is None else parse_choice(EvalProtocol, protocol, "--protocol")
        how = parse_choice(HConvention, convention, "--h")
        chosen: dict[str, Any] = {"protocol": protocol, "shots": counts, "backbone": backbone, "convention": how}
        planned = missing_specs(self.unfinished)
        boards = build_leaderboards(self._frame, self._store.outcomes, **chosen, planned=planned, compared=True)
        if not boards:
            if self._frame.empty:
                raise UsageError(no_runs(self.folder))
            settings = sorted(
                {
                    f"{setting.protocol} with {setting.shots_text} on {setting.backbone}"
                    for setting in board_settings(self._frame)
                }
            )
            options = {"--protocol": protocol, "--shots": shots, "--backbone": backbone}
            stated = " ".join(f"{option} {value}" for option, value in options.items() if value is not None)
            raise UsageError(f"No runs of {stated or 'any setting'} in {self.folder}. It holds: {', '.join(settings)}.")
        return boards

    @cached_property
    def unfinished(self) -> list[UnfinishedSweep]:
        """The sweeps in the folder whose runs are not all there; of chosen runs, those that planned one of them."""
        from bench.sweep import unfinished_sweeps

        return unfinished_sweeps(self.folder, of=self.run_ids)

    def compare(
        self,
        a: Annotated[str, Arg("A method by name or title, or an entry: 'coop [n_ctx=4]'.")],
        b: Annotated[str, Arg("The other method or entry.")],
        *,
        protocol: Protocol = None,
        shots: Shots = None,
        backbone: Annotated[str | None, Opt("Only this backbone, as arch.tag.")] = None,
        planned: Annotated[
            bool, Opt("The pair was chosen before the results: do not allow for other methods.")
        ] = False,
    ) -> Tables:
        """Compare two methods on the same images with the same seeds.

        Returns:
            The difference `a - b` per dataset and on average, with 95 % intervals, and the images that only one of the
            two classifies correctly. UsageError if no setting has both.
        """
        from bench.analysis import RunTable, build_leaderboard, compare_entries, find_entry

        boards = self._boards(protocol, shots, backbone)
        by_title = _keys_by_title(boards)
        a, b = (by_title.get(name.casefold(), name) for name in (a, b))
        names = [{name for entry in board.entries for name in (entry.key, entry.method)} for board in boards]
        both = [board for board, board_names in zip(boards, names, strict=True) if {a, b} <= board_names]
        if not both:
            listed = "; ".join(
                f"{board.setting.title}: {', '.join(entry.key for entry in board.entries)}" for board in boards
            )
            raise UsageError(
                f"No leaderboard in {self.folder} has both {a!r} and {b!r}. There are: {listed or 'no runs that fit'}."
            )
        pairs = []
        for board in both:
            entries = [find_entry(board, name) for name in (a, b)]
            if board.common is not None and not all(entry.rankable for entry in entries):
                # a pair may share more datasets and seeds than all methods do
                board = build_leaderboard(RunTable(self._frame, self._store.outcomes), board.setting)
                entries = [board.entry(entry.key) for entry in entries]
            outcomes = self._store.outcomes_frame([run_id for entry in entries for run_id in entry.run_ids])
            pairs.append((board, compare_entries(board, outcomes, *(entry.key for entry in entries), alone=planned)))
        return comparison_tables(pairs)

    def claims(
        self,
        file: Annotated[Path | str | None, Opt("Claims as TOML. Default: the shipped claims.")] = None,
        *,
        easy: Sequence[str] = (),
        hard: Sequence[str] = (),
    ) -> Table:
        """Test statements about methods on these runs: supported, not supported here, inconclusive or not tested.

        Each is tested at 5 %. Runs with the demo's recipe, or on synthetic datasets alone, give no verdict. The shipped
        claims are of the APEX and later papers. `easy` and `hard` name datasets in place of the thirds by difficulty,
        which need six datasets.
        """
        from bench.analysis import build_leaderboards, chosen_groups
        from bench.papers import check_claims, difficulty_by_backbone, load_claims
        from bench.results import no_runs

        groups = chosen_groups(tuple(easy), tuple(hard))
        statements = load_claims(None if file is None else Path(file).expanduser())
        if self._frame.empty:
            raise UsageError(no_runs(self.folder))
        difficulty = difficulty_by_backbone(self._difficulty)
        boards = build_leaderboards(self._frame, self._store.outcomes)
        return claims_table(check_claims(statements, boards, difficulty, groups), self.folder)

    def difficulty(self, *, all_columns: bool = False) -> pd.DataFrame:
        """Transfer difficulty and related measures, one row per backbone, dataset, split and measure.

        `all_columns` adds digests of the data and the backbone, and times.
        """
        return self._difficulty.copy() if all_columns else self._difficulty[list(SHORT_DIFFICULTY)]

    def query(self, sql: str) -> pd.DataFrame:
        """The result of one read-only SQL statement on all runs of the folder.

        The tables are runs, scores, predictions, difficulty, and published for numbers from papers. Raises
        StoreError if there is not exactly one statement, it writes, or DuckDB rejects it.
        """
        from bench.papers import published_frame

        return self._store.query(sql, tables={"published": published_frame()})

    def report(self, path: str | Path = "site", **options: Any) -> Path:
        """Write the HTML report of the whole runs folder; see `build_report` for the options."""
        return build_report(path, runs=self.folder, **options)

    def _repr_html_(self) -> str:
        """The leaderboard, for notebooks."""
        import html

        failed = "".join(
            f"<li>{html.escape(str(item['what']))}: {html.escape(str(item['message']))}</li>" for item in self.failed
        )
        note = f"<p>{len(self.failed)} failed:</p><ul>{failed}</ul>" if failed else ""
        try:
            return self.leaderboard()._repr_html_() + note
        except UsageError:
            return f"<p>No finished runs in {html.escape(str(self.folder))}.</p>{note}"

    def __repr__(self) -> str:
        return f"Results({counted(len(self), 'run')} in {str(self.folder)!r}, {len(self.failed)} failed)"

    def _overview(self, board: Leaderboard, verdicts: Mapping[str, Verdict]) -> OverviewView:
        """The answer of a board, as on the page."""
        from bench.papers import registered
        from reports.presenters.overview import board_overview

        return board_overview(board, self._frame, self._difficulty, registered(), verdicts=verdicts)

    @cached_property
    def _difficulty(self) -> pd.DataFrame:
        return self._store.difficulty_frame()

    @cached_property
    def _store(self) -> Store:
        from bench.results import fresh_store

        return fresh_store(self.folder)

    @cached_property
    def _frame(self) -> pd.DataFrame:
        frame = self._store.runs_frame(installed=True)
        return frame if self.run_ids is None else frame[frame["run_id"].isin(self.run_ids)].reset_index(drop=True)


def load_results(runs: Runs = DEFAULT_RUNS) -> Results:
    """The results in a runs folder.

    Raises UsageError if it has neither runs nor difficulties, and StoreError if another process holds the database.
    """
    from bench.results import no_runs

    results = Results(Path(runs).expanduser())
    if results._frame.empty and results._difficulty.empty:
        raise UsageError(no_runs(results.folder))
    return results


def _keys_by_title(boards: Sequence[Leaderboard]) -> dict[str, str]:
    """The keys of entries by the titles of the leaderboard, in lower case; a key or a method stays itself."""
    from bench.papers import registered

    catalogue = registered()
    entries = [entry for board in boards for entry in board.entries]
    titles = {catalogue.entry_title(entry.method, entry.label).casefold(): entry.key for entry in entries}
    return titles | {name: name for entry in entries for name in (entry.key, entry.method)}


def leaderboard(runs: str | Path = DEFAULT_RUNS, **options: Any) -> Tables:
    """The leaderboard of a runs folder; options as of `Results.leaderboard`."""
    return load_results(runs).leaderboard(**options)


def compare(a: str, b: str, runs: str | Path = DEFAULT_RUNS, **options: Any) -> Tables:
    """Two methods of a runs folder on the same images; options as of `Results.compare`."""
    return load_results(runs).compare(a, b, **options)


def claims(runs: str | Path = DEFAULT_RUNS, **options: Any) -> Table:
    """Statements about methods, tested on a runs folder; options as of `Results.claims`."""
    return load_results(runs).claims(**options)


def difficulty(runs: str | Path = DEFAULT_RUNS, *, all_columns: bool = False) -> pd.DataFrame:
    """The transfer difficulty of every dataset in a runs folder, see `Results.difficulty`."""
    return load_results(runs).difficulty(all_columns=all_columns)
