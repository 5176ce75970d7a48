"""What the exported files of entries share: their names, and sentences on how far their numbers can be trusted."""

from collections import Counter
from collections.abc import Iterator, Sequence

from bench._util.words import counted
from bench.analysis import Entry, Estimate, Leaderboard, reach_text
from bench.results import slug


def named_entries(boards: Sequence[Leaderboard]) -> Iterator[tuple[str, Leaderboard, Entry]]:
    """All entries with scores: a file name `BOARD/ENTRY` without suffix, the board and the entry.

    Draw and precision are part of the board's name if its title is that of another board as well.
    """
    titles = Counter(board.setting.title for board in boards)
    for board in boards:
        setting = board.setting
        title = setting.title if titles[setting.title] == 1 else f"{setting.title}, {setting.draw}, {setting.precision}"
        place = slug(title.lower().replace(",", "").replace(" ", "-"))
        for entry in board.entries:
            if any(measure in cell.scores for cell in entry.cells.values() for measure in board.measures):
                yield f"{place}/{slug(entry.key)}", board, entry


def task_text(board: Leaderboard, dataset: str) -> str:
    """A dataset in the setting of a board, without what belongs to the model: `eurosat.few-shot.16-shots.coop`."""
    setting = board.setting
    source = f"from-{setting.source}" if setting.source else ""
    shots = setting.shots_text.replace(", ", ".").replace(" ", "-")
    return ".".join(filter(None, [dataset, setting.protocol, source, shots, setting.draw]))


def seeds_text(estimate: Estimate) -> str:
    """The number of seeds, and the interval in per cent: `3 seeds, 95 % interval ± 1.20 over seeds and test images`."""
    reach = reach_text(estimate)
    return counted(estimate.n, "seed") + (f", 95 % interval {reach} over {estimate.covers}" if reach else "")


def provenance_sentences(entry: Entry) -> list[str]:
    """What a reader of the entry's numbers must know about its runs."""
    found = []
    if entry.oracle:
        found.append("Test labels selected settings or epochs, so the numbers are optimistic.")
    if entry.stale:
        found.append(f"Made with another version of the method's code: {entry.stale}.")
    if entry.imported:
        found.append(f"Imported, not verified: {entry.imported}.")
    return found
