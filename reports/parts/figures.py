"""Figures of a paper, plotted from runs, with their values."""

from collections.abc import Sequence

from markupsafe import Markup

from bench.papers import FigurePoint, PaperFigure
from reports._format import few_runs, four_digits, plural
from reports.charts.figures import figure_svg
from reports.parts.part import Part, fold, heading, paragraph, picture, table
from reports.tables.model import FIRST_ROWS, Column, Table, TableCell, cell


def figures_parts(figures: Sequence[PaperFigure]) -> list[Part]:
    """The parts of the section."""
    return [part for figure in figures for part in _figure(figure)]


def _figure(figure: PaperFigure) -> list[Part]:
    parts = [heading(f"f-{figure.name}", f"{figure.title} ({figure.source})")]
    if figure.points:
        parts.append(picture(figure_svg(figure)))
        if figure.caption:
            covered = sorted({point.covers for point in figure.points} - {""}, key=len)
            bars = (
                f" Bars are 95 % intervals over {', or over '.join(covered)}; an arrow head: it goes on."
                if covered
                else ""
            )
            parts.append(paragraph(f"{figure.caption}{bars}"))
        note = f"{len(figure.points)} values with their runs"
        parts.append(fold(f"f-{figure.name}-data", "Data", note, [table(_values(figure))]))
    else:
        parts.append(paragraph("No run in the database has data for this figure.", "missing"))
    if figure.missing:
        parts.append(paragraph(Markup("Missing: {}").format(Markup("<br>").join(figure.missing)), "missing"))
    if figure.commands:
        command = Markup("<br>").join(Markup("<code>{}</code>").format(line) for line in figure.commands)
        title = plural(len(figure.commands), "Command", "Commands")
        parts.append(fold(f"f-{figure.name}-commands", title, "for the missing runs", [paragraph(command)]))
    return parts


def _values(figure: PaperFigure) -> Table:
    x = Column(figure.x_title or "x", "text" if figure.order else "word")
    columns = [Column("Panel", "text"), Column("Series", "text"), x, Column(figure.y_title, "word"), Column("Seeds")]
    rows = [_row(figure, point) for point in figure.points]
    return Table(f"f-{figure.name}-values", [*columns, Column("Runs", "text")], rows, first=FIRST_ROWS)


def _row(figure: PaperFigure, point: FigurePoint) -> list[TableCell]:
    ends = figure.interval(point)
    interval = "" if ends is None else f" ({four_digits(ends[0])} to {four_digits(ends[1])})"
    x = point.x if figure.order or isinstance(point.x, str) else cell(point.x, four_digits(point.x))
    return [
        point.panel,
        point.series,
        x,
        cell(point.y, f"{four_digits(point.y)}{interval}"),
        point.n,
        few_runs(point.run_ids),
    ]
