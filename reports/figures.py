"""Figures for papers: the drawings of the page, with a line on what each shows and lacks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from bench.analysis import Leaderboard, board_verdicts, cost_points
from bench.errors import UsageError
from bench.papers import Catalogue
from reports._format import counted, join
from reports.charts.cost_chart import COST_AXES, cost_axes, cost_svg
from reports.charts.shots import shots_svg
from reports.charts.svg_drawing import fixed_pair
from reports.charts.svg_file import svg_file
from reports.map.figure import map_svg
from reports.map.gain_map import gain_map
from reports.map.pairs import first_pair
from reports.presenters.overview import board_overview
from reports.titles import PHRASES
from reports.views import BoardView, OverviewView

Figure = tuple[str, str]
"""A drawing, and a line on what it shows and lacks."""


@dataclass(frozen=True)
class FigureRequest:
    """What a figure is drawn from.

    Args:
        boards: of one setting or, for `shots`, of settings that differ in the shots only, by increasing shots. Their
            entries are in the order of the figure.
        runs: the store's `runs_frame()`.
        difficulty: the store's `difficulty_frame()`.
        catalogue: titles of methods and datasets.
        chosen: whether the user chose the methods; the first two are then A and B.
    """

    boards: Sequence[Leaderboard]
    runs: pd.DataFrame
    difficulty: pd.DataFrame
    catalogue: Catalogue
    chosen: bool = False

    @property
    def board(self) -> Leaderboard:
        """The one with the most shots."""
        return self.boards[-1]

    @property
    def titles(self) -> dict[str, str]:
        """The title of each entry by its key; those of the board with the most shots are first."""
        entries = [entry for board in reversed(self.boards) for entry in board.entries]
        return {entry.key: self.catalogue.entry_title(entry.method, entry.label) for entry in entries}

    @property
    def overview(self) -> OverviewView:
        """The first screen of that board."""
        return board_overview(self.board, self.runs, self.difficulty, self.catalogue)

    def view(self, board: Leaderboard) -> BoardView:
        """A board with its costs."""
        return BoardView(
            anchor="",
            board=board,
            catalogue=self.catalogue,
            datasets=tuple(self.catalogue.dataset(name) for name in board.datasets),
            verdicts=board_verdicts(board),
            exports={},
            costs=cost_points(board),
        )

    def pair(self, overview: OverviewView) -> tuple[str | None, str | None]:
        """Keys of A and B: the first two of the chosen methods, or those that the page shows first."""
        if not self.chosen:
            return first_pair(overview, overview.answers[self.board.measures[-1]])
        keys = [entry.key for entry in self.board.entries]
        return keys[0], keys[1] if len(keys) > 1 else None


def figure_file(kind: str, request: FigureRequest, suffix: str) -> tuple[bytes, str]:
    """One of `FIGURES` as the content of a file, and a line on what it shows and lacks.

    Args:
        suffix: one of `FIGURE_SUFFIXES`.

    Raises UsageError if these runs cannot have that figure, and RuntimeError if the renderer fails.
    """
    svg, line = FIGURES[kind](request)
    return svg_file(svg, suffix), line


def _cost(request: FigureRequest) -> Figure:
    view = request.view(request.board)
    axes = cost_axes(view)
    if not axes:
        raise UsageError("--figure cost: these runs recorded no cost that all methods have; choose methods with -m.")
    svg = cost_svg(view, axes[0], fixed_pair(*request.pair(request.overview)))
    content = f"{PHRASES[request.board.measures[-1]]} against {COST_AXES[axes[0]].lower()}"
    hollow = [view.entry_name(point.entry) for point in view.costs if axes[0] not in point.front]
    lacks = [f"{join(hollow)} hollow and not compared (missing runs or selected on test labels)"] if hollow else []
    return svg, _line(request, content, lacks)


def _shots(request: FigureRequest) -> Figure:
    if len(request.boards) < 2:
        shots_text = request.board.setting.shots_text
        raise UsageError(f"--figure shots needs runs with several numbers of shots; these have {shots_text}.")
    overview, measure = request.overview, request.board.measures[-1]
    views = [request.view(board) for board in request.boards]
    svg = shots_svg(views, overview, measure, fixed_pair(*request.pair(overview)))
    counts = join([str(board.setting.shots) for board in request.boards])
    means = [request.board.average(entry.key, measure) for entry in request.board.entries]
    lacks = [] if any(mean is not None and mean.low is not None for mean in means) else ["no intervals"]
    lacks = [*_without_shots(request), *lacks]
    if len({frozenset(board.averaged) for board in request.boards}) > 1:
        lacks.append("means over different datasets, which are not comparable")
    return svg, _line(request, f"{PHRASES[measure]} with {counts} shots", lacks + _unknown(overview))


def _without_shots(request: FigureRequest) -> Iterator[str]:
    """The methods that have no run with some of the numbers of shots, and these numbers."""
    titles_by_counts: dict[tuple[str, ...], list[str]] = {}
    for key, title in request.titles.items():
        boards = [board for board in request.boards if key not in {entry.key for entry in board.entries}]
        titles_by_counts.setdefault(tuple(str(board.setting.shots) for board in boards), []).append(title)
    for counts, titles in titles_by_counts.items():
        if counts:
            yield f"{join(titles)} with {join(counts)} shots"


def _map(request: FigureRequest) -> Figure:
    overview, measure = request.overview, request.board.measures[-1]
    gains = gain_map(overview, measure)
    places = {entry.key: place for place, entry in enumerate(request.board.entries)}
    rows = sorted(gains.rows, key=lambda row: places[row.key]) if request.chosen else gains.rows
    lacks = [] if any(row.strip is not None and row.strip.here is not None for row in rows) else ["no intervals"]
    if gains.zero is None:
        lacks.append("zero-shot, so cells are accuracies")
    content = f"Gain in {PHRASES[measure]} over zero-shot" if gains.zero else PHRASES[measure]
    return map_svg(gains, rows), _line(request, content, lacks + _unknown(overview))


def _difficulty(request: FigureRequest) -> Figure:
    overview, measure = request.overview, request.board.measures[-1]
    a, b = request.pair(overview)
    content = f"{PHRASES[measure]} on datasets from easy to hard" if not _unknown(overview) else PHRASES[measure]
    names = [overview.names[key] for key in (a, b) if key is not None]
    legend = " ".join(f"{mark}: {name}." for mark, name in zip(("Disc", "Dash"), names, strict=False))
    return difficulty_picture(
        overview, (a, b)
    ), f"{_line(request, content, _unknown(overview))} {legend} Dots: the others."


def difficulty_picture(view: OverviewView, pair: tuple[str | None, str | None] | None = None) -> Markup:
    """The chart of difficulty of two methods, by default those that the page shows first."""
    measure = view.table.measures[-1]
    gains, numbers = gain_map(view, measure), {key: number for number, key in enumerate(view.names)}
    a, b = first_pair(view, view.answers[measure]) if pair is None else pair
    rows = [gains.row(numbers.get(key or "")) for key in (a, b)]
    return map_svg(gains, (), (rows[0], rows[1]))


FIGURES: Mapping[str, Callable[[FigureRequest], Figure]] = {
    "map": _map,
    "difficulty": _difficulty,
    "shots": _shots,
    "cost": _cost,
}
"""Draws a figure, by its name."""


def _unknown(overview: OverviewView) -> list[str]:
    """That no difficulty is known, which would order the datasets."""
    places = overview.answers[overview.table.measures[-1]].places
    return [] if places else ["no difficulty is known, so the order of datasets says nothing"]


def _line(request: FigureRequest, content: str, lacks: Sequence[str]) -> str:
    """What a figure shows, and what is missing."""
    board, entries = request.board, request.titles
    missing = [cell for board_of_shots in request.boards for cell in board_of_shots.missing if cell.entry in entries]
    names = list(dict.fromkeys(entries[cell.entry] for cell in missing))
    lacking_texts = [f"{counted(len(missing), 'run')} of {join(names)} missing", *lacks] if missing else list(lacks)
    setting = board.setting.title if len(request.boards) == 1 else f"{board.setting.backbone}, {board.setting.protocol}"
    scope = f"{counted(len(entries), 'method')}, {counted(len(board.averaged), 'dataset')}, {setting}"
    lacking = f"Lacks: {'; '.join(lacking_texts)}." if lacking_texts else "Nothing is missing."
    return f"{content[0].upper()}{content[1:]}: {scope}. {lacking}"
