"""Other rankings of the methods on a leaderboard: average ranks, Elo ratings and win rates."""

from markupsafe import Markup

from reports._format import p_value
from reports.charts.critical import critical_svg
from reports.parts.part import Part, block, fold, paragraph, picture, table
from reports.tables.model import Column, Table, cell
from reports.views import BoardView


def other_rankings(view: BoardView) -> list[Part]:
    """A fold with average ranks, Elo ratings and win rates; empty with too few datasets or entries."""
    ranks = view.standings.critical
    if ranks is None:
        return []
    low = (
        Markup(
            " <b>Low power:</b> with {} datasets average ranks must differ by {:.2f} of at most {}, so neighbouring "
            "methods cannot be ordered; the paired tests above have more power."
        ).format(ranks.n, ranks.difference, len(ranks.entries) - 1)
        if ranks.low_power
        else ""
    )
    numbers = {entry.key: number for number, entry in enumerate(view.entries)}
    columns = [
        Column("Method", "method"),
        Column("Average rank", "word", "1 is best", "rank"),
        Column("Elo", "number"),
        Column("Interval", "text"),
        Column("Wins, %", "number", "Share of comparisons on single datasets that the method wins; ties count half"),
    ]  # fmt: skip
    place = dict(zip(ranks.entries, ranks.ranks, strict=True))
    rows = [
        [
            numbers[rating.entry],
            cell(round(place[rating.entry], 3), f"{place[rating.entry]:.2f}"),
            round(rating.elo),
            None if rating.low is None or rating.high is None else f"{rating.low:.0f} to {rating.high:.0f}",
            round(100 * rating.win_rate),
        ]
        for rating in view.standings.ratings
    ]
    caption = (
        "400 Elo points = 10 : 1 odds of winning on a dataset; the mean is 1000. Interval: 95 % bootstrap over "
        "datasets. Ratings depend on which methods are compared."
    )
    found = fold(
        f"{view.anchor}-ranks",
        "Other rankings",
        f"average ranks (Friedman, Nemenyi), Elo ratings, win rates{' · low power' if ranks.low_power else ''}",
        [
            paragraph(
                Markup(
                    "Each dataset counts once, and only the order of the methods on it matters. Average ranks under "
                    "one bar do not differ significantly (Nemenyi, 5 %). Friedman’s test of equal ranks: {}.{}"
                ).format(p_value(ranks.p), low)
            ),
            picture(critical_svg(ranks, {entry.key: entry.name for entry in view.entries})),
            table(Table(f"{view.anchor}-ratings", columns, rows, caption=caption)),
            block("win_rates"),
        ],
    )
    return [found]
