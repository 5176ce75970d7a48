"""The accuracy cost of each selection rule on a board, as views."""

from collections.abc import Mapping, Sequence

from bench.analysis.leaderboard import Entry, Leaderboard
from bench.analysis.selection_rules import RULES, RuleDifference, other_settings
from bench.presenters.catalogue import Catalogue
from bench.presenters.values import view_of
from bench.statistics import MeanTest
from reports.views import RuleCostView, SelectionRuleView


def selection_views(
    board: Leaderboard, differences: Sequence[RuleDifference], catalogue: Catalogue
) -> tuple[SelectionRuleView, ...]:
    """Every rule with pairs, with its costs."""
    return tuple(
        SelectionRuleView(
            rule=found.rule,
            title=f"{'Oracle: ' if found.is_oracle else ''}{RULES[found.rule]}".capitalize(),
            oracle=found.is_oracle,
            costs=_costs(found.tests),
            by_method={_name(board.entry(key), catalogue): _costs(tests) for key, tests in found.by_method.items()},
        )
        for found in differences
    )


def _name(entry: Entry, catalogue: Catalogue) -> str:
    title, settings = catalogue.method(entry.method).title, other_settings(entry)
    return f"{title} ({settings})" if settings else title


def _costs(tests: Mapping[str, MeanTest]) -> dict[str, RuleCostView]:
    return {measure: view_of(RuleCostView, test) for measure, test in tests.items()}
