"""The figures of a paper, plotted from a runs folder, and their files."""

from collections.abc import Sequence
from pathlib import Path

from bench._util.text_cache import TextCache
from bench.analysis.difficulty_groups import Grouping, difficulty_groups
from bench.figures import FIGURE_SETS, gather_figure_data
from bench.presenters import registered
from bench.record import Predictions
from bench.results.shards import Shards
from bench.store import Store
from datasets_registry import BenchError
from reports import FORMATS, figure_file
from reports.views import FigureView


def figures_of(
    store: Store, name: str, text_cache: TextCache | None = None, groups: Grouping = difficulty_groups
) -> tuple[FigureView, ...]:
    """The set of figures of that name, a key of FIGURE_SETS, from an up-to-date database and the shards of its runs."""
    shards = Shards(store.runs)

    def stored(run_id: str) -> tuple[Predictions, ...]:
        shard = shards.read(run_id)
        return shard.predictions if shard else ()

    data = gather_figure_data(
        store.runs_frame(), store.difficulty_frame(), registered(text_cache), stored, groups, store.curves_frame()
    )
    return FIGURE_SETS[name](data)


def write_figures(figures: Sequence[FigureView], folder: Path) -> list[Path]:
    """Write every figure that has data as SVG, PDF and PNG files; returns their paths.

    Raises:
        BenchError: if a figure cannot be converted to PDF or PNG; its SVG file is written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for figure in figures:
        for kind in FORMATS if figure.points else ():
            path = folder / f"{figure.name}.{kind}"
            try:
                path.write_bytes(figure_file(figure, kind))
            except RuntimeError as error:
                raise BenchError(
                    f"Figure {figure.name} is written as SVG, but not as {kind.upper()}: {error}. "
                    "Convert the SVG file with another program, such as Inkscape."
                ) from error
            written.append(path)
    return written
