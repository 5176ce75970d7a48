"""The leaderboard of a setting with its notes, and accuracies on transfer targets."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from markupsafe import Markup

from bench.analysis import (
    H_TITLES,
    OPEN,
    Entry,
    H,
    Verdict,
    measure_name,
    verdict_notes,
)
from bench.score_texts import percent
from bench.spec import OTHER_MODELS
from datasets_registry import EvalProtocol
from reports._format import counted, interval, p_value, plural
from reports._format import signed_points as points_text
from reports.parts.part import Part, fold, paragraph, table
from reports.tables.page_table import Column, Table, TableCell, cell, percent_cell, whole, whole_sides
from reports.views import BoardView, OverviewView

MOST_STALE = 3
"""Entries with runs of other code that the note names; each row has its own tooltip."""


def _facts_text(view: BoardView) -> Markup:
    """Numbers of methods, datasets and runs, seeds, the draw of the training images, and precision."""
    source = " including the source" if view.board.setting.source else ""
    board, setting = view.board, view.board.setting
    seeds = f"{plural(len(board.seeds), 'seed', 'seeds')} {', '.join(map(str, board.seeds))}"
    counts = f"{counted(len(board.entries), 'method')} · {counted(len(view.datasets), 'dataset')}{source} · {seeds}"
    if setting.protocol == EvalProtocol.TEST_TIME:
        support = "no labelled images: methods learn from the test images, which each seed orders as a stream"
        return Markup("{} · {} · {} · {}").format(counts, counted(board.n_runs, "run"), support, setting.precision)
    rule = Markup("training images drawn as in CoOp’s code (<code>{}</code>)").format(setting.draw)
    support = rule if setting.draw == "coop" else Markup("training images: draw <code>{}</code>").format(setting.draw)
    return Markup("{} · {} · {} · {}").format(counts, counted(board.n_runs, "run"), support, setting.precision)


def note_text(view: BoardView, overview: OverviewView) -> str:
    """The note below the table, which explains its columns and marks."""
    answer = overview.answers[view.board.measures[-1]]
    text = _ranks_note(view) + Markup(
        "<em>Behind best</em> is paired over datasets and seeds. Below it is its 95 % interval over seeds and test "
        "images; the intervals of all methods hold together. Bold: clear on these datasets."
    )
    easy, _, hard = (", ".join(view.dataset_title(name) for name in group) for group in overview.groups)
    if answer.gains and easy and hard:
        text += f" Gains are over zero-shot, in points. Easy datasets (by transfer difficulty): {easy}."
        text += f" Hard datasets: {hard}."
    if view.board.common is not None:
        grid = f"{counted(len(view.board.averaged), 'dataset')} and {counted(len(view.board.seeds), 'seed')}"
        text += f" Ranked methods are averaged over the {grid} that they share. Hatched: runs are missing."
    elif not view.board.complete:
        text += " Hatched: runs are missing, so the average has no rank."
    if any(entry.oracle for entry in view.board.entries):
        text += (
            " Oracles are selected on test labels. They show the score of a perfect choice and the effect of the "
            "labels; they are neither ranked nor compared."
        )
    if stale := [f"{view.entry_name(entry.key)} ({entry.stale})" for entry in view.board.entries if entry.stale]:
        more = [f"{len(stale) - MOST_STALE} more"] if stale[MOST_STALE:] else []
        text += f" † Made with another version of the method's code: {'; '.join([*stale[:MOST_STALE], *more])}."
    return text + (f" {view.unmarked}" if view.unmarked else "")


def _ranks_note(view: BoardView) -> Markup:
    """Explains a range of ranks with the first method that has one."""
    ranges = [(entry, rank) for entry in view.board.entries if "–" in (rank := view.verdict.ranks.get(entry.key, ""))]
    if not ranges:
        return Markup("")
    entry, rank = ranges[0]
    return Markup(
        "Rank {}: the tests on these datasets cannot decide which of these ranks {} has. Rows are ordered by the mean, "
        "and no row has a better bound than one above it. "
    ).format(rank, view.entry_name(entry.key))


def leaderboard_parts(view: BoardView, overview: OverviewView) -> list[Part]:
    """The parts of the section."""
    noun = "target" if view.board.setting.source else "dataset"
    parts = [paragraph(_facts_text(view), "facts")]
    parts += [paragraph(note, "missing") for note in verdict_notes(view.board, view.verdict)]
    scores = [table(ranking_table(view, overview)), paragraph(note_text(view, overview))]
    over = f"means over {counted(len(view.board.averaged), noun)}, distances and calibration"
    parts.append(fold(f"{view.anchor}-board", "Every score", over, scores))
    return parts


_PageColumn = tuple[Column, Callable[[Entry], TableCell]]


def ranking_table(view: BoardView, overview: OverviewView) -> Table:
    """Rank, score, gains on easy and hard datasets, distance from the best, and calibration of every method."""
    columns = [*_names(view), *_scores(view, overview), *_calibration(view)]
    return Table(
        id=f"{view.anchor}-table",
        columns=[heading for heading, _ in columns],
        rows=[[cell_of(entry) for _, cell_of in columns] for entry in view.board.entries],
        caption=_caption(view),
        classes="board",
        filters=[view.catalogue.method(entry.method).family for entry in view.board.entries],
        copies=view.anchor,
    )


def _names(view: BoardView) -> Iterator[_PageColumn]:
    hint = "Ranks that are consistent with the paired tests; none if runs are missing, or with fewer than three seeds"
    yield Column("Rank", "word", hint, "rank"), lambda entry: _rank(view.verdict.ranks.get(entry.key))
    yield Column("Method", "method"), lambda entry: view.numbers[entry.key]


def _rank(rank: str | None) -> TableCell:
    return cell(rank and int(rank.partition("–")[0]), rank or "–")


_OPEN_HINT = "H of base and new test images, each classified among all names, base and new. Empty: not computed"


def _scores(view: BoardView, overview: OverviewView) -> Iterator[_PageColumn]:
    """The measure that orders the rows with its distances, the other measures, and the number of runs."""
    board, main = view.board, view.board.measures[-1]
    for measure in (main, *board.measures[:-1]):
        hint = {OPEN: _OPEN_HINT, H: H_TITLES[board.convention]}.get(measure, "")
        classes = "key" if measure == main else ""
        yield Column(measure_name(measure).title(), "pm", hint, "score"), partial(_score, view, measure, classes)
        if measure == main:
            yield from _distances(view, overview)
    yield (
        Column("Runs", "of", "Scored dataset × seed cells"),
        lambda entry: cell([entry.coverage, entry.planned], classes="gap" if entry.coverage < entry.planned else ""),
    )


def _distances(view: BoardView, overview: OverviewView) -> Iterator[_PageColumn]:
    """The columns of the page alone: gains by difficulty, and the distance from the best."""
    measure = view.board.measures[-1]
    answer, sizes = overview.answers[measure], [len(group) for group in overview.groups]
    gains = {key: row for key, row in answer.gains.items() if key != view.board.baseline}
    for place, name in enumerate(("easy", "medium", "hard") if answer.gains and sizes[0] and sizes[2] else ()):
        hint = f"Mean gain over zero-shot on the {counted(sizes[place], f'{name} dataset')}, in points"
        yield Column(f"Gain, {name}", "tint", hint), partial(_gain, gains, place)
    hint = (
        "Mean paired difference from the best method on these datasets, in points, and its 95 % interval over seeds "
        "and test images; bold: clear here"
    )
    yield Column("Behind best", "tenths", hint), partial(_behind, view.verdict)


_CALIBRATION = {
    "ece": ("ECE", "Expected calibration error, 15 bins of equal mass, in per cent", percent),
    "nll": ("NLL", "Mean negative log-likelihood, nats", "{:.3f}".format),
}
"""Heading, explanation and text of the measures of calibration; a smaller value is better."""


def _calibration(view: BoardView) -> Iterator[_PageColumn]:
    """Both measures of each class split, as far as predictions are stored."""
    for split in dict.fromkeys(split for _, split in view.calibration):
        of_split = f", {measure_name(split)}" if len(view.board.splits) > 1 else ""
        for measure, (title, hint, _) in _CALIBRATION.items():
            column = Column(f"{title}{of_split}", "word", f"{hint}; with its 95 % interval over seeds and test images")
            yield column, partial(_calibrated, view, split, measure)


def _calibrated(view: BoardView, split: str, measure: str, entry: Entry) -> TableCell:
    estimates = view.calibration.get((entry.key, split))
    if estimates is None:
        return None
    value, (_, _, text) = estimates[measure], _CALIBRATION[measure]
    ends = "" if value.sides is None else " −{}/+{}".format(*map(text, value.sides))
    return cell(float(f"{value.mean:.5g}"), text(value.mean), f"{text(value.mean)}{ends}")


def _gain(gains: Mapping[str, Sequence[float | None]], place: int, entry: Entry) -> TableCell:
    gain = gains[entry.key][place] if entry.key in gains else None
    return None if gain is None else whole(gain)


def _score(view: BoardView, measure: str, classes: str, entry: Entry) -> TableCell:
    """The mean of an entry by a measure, with half of its interval; hatched if runs are missing."""
    value, classes = view.board.average(entry.key, measure), classes if entry.complete else f"{classes} gap"
    return percent_cell(None if value is None else value.mean, value and whole_sides(value), "", classes)


def _behind(verdict: Verdict, entry: Entry) -> TableCell:
    """The distance from the best method with its interval; the tooltip has both ends and the p value."""
    test = verdict.on_these(entry.key, verdict.leader or "")
    if test is None:
        return cell(None, "best" if entry.key == verdict.leader else None, "", "faint")
    if test.low is None or test.high is None or test.p is None:
        return cell(whole(test.mean), None, "not tested: no predictions, or the same answers", "faint")
    ends = f"{points_text(test.low)} to {points_text(test.high)}"
    tip = f"95 % interval {ends}; {p_value(test.p)}, {'' if test.clear else 'not '}clear"
    return cell(whole(test.mean), interval(test.low, test.high), tip, "shown" if test.clear else "faint")


def _caption(view: BoardView) -> str:
    """What the scores are."""
    h: str = Markup(" Column H: <b>{}</b>.").format(H_TITLES[view.board.convention]) if H in view.board.measures else ""
    source = " The source is excluded from means." if view.board.setting.source else ""
    return str(Markup("Accuracy in % with its 95 % interval over seeds and test images.{}{}").format(h, source))


def badges(entry: Entry, view: BoardView) -> list[list[str]]:
    """Marks beside the name of a method: class, text and explanation."""
    found = []
    if entry.oracle:
        gaps = ", ".join(f"{points_text(gap)} {measure_name(s)}" for s, gap in entry.optimism.items())
        text = f"oracle: selected on test labels{'; ' if gaps else ''}{gaps}"
        found.append(
            ["oracle", text, "Mean gain in points from selecting on test labels, over the same runs without it"]
        )
    if entry.stale:
        found.append(["stale", "† older code", entry.stale])
    if view.board.setting.backbone == OTHER_MODELS:
        found.append(["uses", "not a CLIP", "Imported predictions of a model of another kind"])
    if marks := view.marks.get(entry.key):
        found += [list(mark) for mark in marks]
    elif entry.imported and not view.unmarked:
        found.append(["imported", "imported, not verified", entry.imported])
    return found
