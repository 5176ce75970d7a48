"""The leaderboard of the terminal: means of easy, medium and hard datasets beside the mean of all."""

from __future__ import annotations

from report_sample import catalogue, difficulty_frame, runs_frame

from bench.analysis import board_verdicts
from bench.analysis.leaderboard_building import build_leaderboards
from bench.api.leaderboards import leaderboard_tables
from reports.presenters.overview import board_overview


def printed(difficulty):
    """The titles of the columns, the cells of each method by title of the column, and the board with its groups."""
    runs = runs_frame(protocols=("few-shot",))
    (board,) = build_leaderboards(runs)
    views = []

    def overview(one, verdicts):
        views.append(board_overview(one, runs, difficulty, catalogue(), verdicts=verdicts))
        return views[-1]

    (table,) = leaderboard_tables([(board, board_verdicts(board))], overview, catalogue().board_titles)
    rows = {row["entry"]: {one.title: str(one.value(row)) for one in table.columns} for row in table.rows}
    return [one.title for one in table.columns], rows, views[0]


def test_a_row_has_the_means_of_the_three_groups_that_the_page_shows():
    titles, rows, view = printed(difficulty_frame())
    assert titles[2:6] == ["accuracy", "easy", "medium", "hard"]
    for key, row in rows.items():
        for title, names in zip(titles[3:6], view.groups, strict=True):
            means = [view.table.mean(key, name, "all") for name in names]
            expected = "None" if None in means else f"{100 * sum(means) / len(means):.2f}"
            assert row[title] == expected, (key, title)
    assert len({row["hard"] for row in rows.values()}) > 3


def test_a_dataset_without_difficulty_leaves_the_other_groups_and_without_any_there_are_none():
    missing = "dtd"
    measured = difficulty_frame()
    titles, _, view = printed(measured[measured["dataset"] != missing])
    assert "hard" in titles
    assert not any(missing in names for names in view.groups)
    titles, _, _ = printed(measured.iloc[:0])
    assert not {"easy", "medium", "hard"} & set(titles)
