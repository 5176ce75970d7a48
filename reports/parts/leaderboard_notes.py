"""The texts around the leaderboard: the facts above it, and the note below it."""

from markupsafe import Markup

from reports._format import counted, percent, plural
from reports.views import TEST_TIME, BoardView, OverviewView

MOST_STALE = 3
"""Entries with runs of other code that the note names; each row has its own tooltip."""


def facts_text(view: BoardView) -> Markup:
    """Numbers of methods, datasets and runs, seeds, the draw of the training images, and precision."""
    source = " including the source" if view.source is not None else ""
    seeds = f"{plural(len(view.seeds), 'seed', 'seeds')} {', '.join(map(str, view.seeds))}"
    counts = f"{counted(len(view.entries), 'method')} · {counted(len(view.datasets), 'dataset')}{source} · {seeds}"
    if view.protocol == TEST_TIME:
        support = "no labelled images: methods learn from the test images, which each seed orders as a stream"
        return Markup("{} · {} · {} · {}").format(counts, counted(view.n_runs, "run"), support, view.precision)
    rule = Markup("training images drawn as in CoOp’s code (<code>{}</code>)").format(view.draw)
    support = rule if view.draw == "coop" else Markup("training images: draw <code>{}</code>").format(view.draw)
    return Markup("{} · {} · {} · {}").format(counts, counted(view.n_runs, "run"), support, view.precision)


def note_text(view: BoardView, overview: OverviewView) -> str:
    """The note below the table, which explains its columns and marks."""
    answer = overview.answers[view.measures[-1]]
    text = _ranks_note(view) + Markup(
        "<em>Behind best</em> is paired over datasets and seeds. Below it is its 95 % interval over seeds and test "
        "images. Bold: significant on these datasets after Holm correction over all pairs. <em>On other datasets</em> "
        "is the 95 % interval of the same difference over datasets."
    )
    text += _power_note(view)
    easy, _, hard = (", ".join(view.dataset_title(name) for name in group) for group in overview.groups)
    if answer.gains and easy and hard:
        which = "named by the user" if overview.named_groups else "by transfer difficulty"
        text += f" Gains are over zero-shot, in points. Easy datasets ({which}): {easy}. Hard datasets: {hard}."
    if overview.common is not None:
        grid = f"{counted(overview.common.datasets, 'dataset')} and {counted(overview.common.seeds, 'seed')}"
        text += f" Ranked methods are averaged over the {grid} that they share. Hatched: runs are missing."
    elif not view.complete:
        text += " Hatched: runs are missing, so the average has no rank and no interval."
    if any(entry.oracle for entry in view.entries):
        text += (
            " Oracles are selected on test labels. They show the score of a perfect choice and the effect of the "
            "labels; they are neither ranked nor compared."
        )
    if stale := [f"{entry.name} ({entry.stale})" for entry in view.entries if entry.stale]:
        more = [f"{len(stale) - MOST_STALE} more"] if stale[MOST_STALE:] else []
        text += f" † Made with another version of the method's code: {'; '.join([*stale[:MOST_STALE], *more])}."
    return text


def _ranks_note(view: BoardView) -> Markup:
    """Explains a range of ranks with the first method that has one."""
    ranges = [(entry, rank) for entry in view.entries if "–" in (rank := view.standings.ranks.get(entry.key, ""))]
    if not ranges:
        return Markup("")
    entry, rank = ranges[0]
    return Markup(
        "Rank {}: the tests on these datasets cannot decide which of these ranks {} has. Rows are ordered by the mean; "
        "a method whose results vary more can have a wider range than the method above it. "
    ).format(rank, entry.name)


def _power_note(view: BoardView) -> str:
    """States the difference from the best that the tests detect with 80 % power."""
    found = sorted(view.standings.detectable.values())
    if not found:
        return ""
    least, most = percent(found[0], 1), percent(found[-1], 1)
    ends = f"{least} points" if least == most else f"{least} to {most} points, depending on the method,"
    return (
        f" With {counted(len(view.seeds), 'seed')}, the tests detect a difference of {ends} from the best in 80 % of "
        "repetitions."
    )
