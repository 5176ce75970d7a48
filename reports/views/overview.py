"""The first screen: the best method and its certainty, its dependence on difficulty, and advice for a new task."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.papers import NamedDataset
from reports.views.difficulty import AxisView


@dataclass(frozen=True)
class RankedMethodView:
    """A method that can be selected in the chart.

    Args:
        complete: whether it has every dataset and seed, and nothing in it was selected with test labels.
        trained: whether an optimiser took steps; None if unknown, like the next two.
        seconds: time of one run, see `Cost.learning_seconds`; `parameters` is the number of trained parameters.
    """

    key: str
    name: str
    family: str
    complete: bool
    trained: bool | None = None
    parameters: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class PlacedDatasetView(NamedDataset):
    """A dataset with its number of classes and its zero-shot accuracy, by class split."""

    n_classes: Mapping[str, int]
    zero_shot: Mapping[str, float]


@dataclass(frozen=True)
class LeadView:
    """How far the leader is ahead of the reference: a mean over datasets, a fraction.

    Args:
        reference: key of the zero-shot entry, or of the next best method without one.
        ahead: datasets on which the leader is higher, of `n`.
        over_datasets: 95 % interval over datasets, None for one dataset.
        over_seeds: 95 % interval over seeds and test images, on these datasets; None if it is unknown.
        without: title of the dataset whose omission changes the sign of the mean (of several, the most influential),
            and the mean without it; None if there is none.
    """

    reference: str
    mean: float
    ahead: int
    n: int
    over_datasets: tuple[float, float] | None
    over_seeds: tuple[float, float] | None
    without: tuple[str, float] | None = None


@dataclass(frozen=True)
class GroupsView:
    """Gains of the leader over zero-shot on easy, medium and hard datasets.

    Args:
        on_medium: None without medium datasets.
        settled: whether the difference between hard and easy datasets is significant.
        trend: the sign of the slope over all datasets; 0 if the line predicts a left-out dataset no better than the
            mean of the others does.
    """

    on_easy: float
    on_medium: float | None
    on_hard: float
    n_easy: int
    n_medium: int
    n_hard: int
    settled: bool
    trend: int


@dataclass(frozen=True)
class PickView:
    """The method to take for easy or for hard datasets.

    Args:
        kind: `easy`, `medium` or `hard`.
        datasets: titles of the group.
        gain: mean gain over zero-shot on the group, with the smallest (`low`) and the largest (`high`) gain; None
            without zero-shot.
        near: number of other candidates that are at most a point lower by the same rule.
    """

    kind: str
    method: str
    datasets: tuple[str, ...]
    gain: float | None = None
    low: float | None = None
    high: float | None = None
    near: int = 0


@dataclass(frozen=True)
class AdviceView:
    """The better of two rules for the choice of a method within one budget.

    Args:
        rule: `average` (best on average over all datasets) or `alike` (best on the third nearest in difficulty).
        lost: points lost on a left-out dataset to its best method, mean by rule; a fraction.
        worst: the maximum, by rule.
        candidates: keys of the methods within the budget.
        picks: methods that the rule selects for easy, medium and hard datasets; empty without difficulty groups.
    """

    rule: str
    lost: Mapping[str, float]
    worst: Mapping[str, float]
    candidates: tuple[str, ...]
    picks: tuple[PickView, ...] = ()


@dataclass(frozen=True)
class AnswerView:
    """The answer for one measure.

    Args:
        averages: of all methods with any score, by key, as on the leaderboard.
        leader: None without a complete method.
        lead: None if there is nothing to compare with.
        open_elsewhere: methods that may be as good as the leader on other datasets, best first.
        open_here: methods that these runs do not separate from the leader on these datasets, best first.
        groups: None without zero-shot or without easy and hard datasets.
        best_on_hard: method with the highest gain on the hard datasets, and that gain; None without groups.
        gains: mean gain over zero-shot on easy, medium and hard datasets by method, None for an empty group.
        behind: mean difference of each other complete method from the leader, and its 95 % interval over datasets;
            without interval for one dataset.
        difficulty: by axis and dataset, if known.
        places: positions of datasets on the axis of log difficulty, if known.
        advice: by budget.
        unseparated: for every complete method, the methods from which it is not separated over datasets.
    """

    measure: str
    averages: Mapping[str, float]
    leader: str | None
    lead: LeadView | None
    open_elsewhere: tuple[str, ...]
    open_here: tuple[str, ...]
    groups: GroupsView | None
    best_on_hard: tuple[str, float] | None
    gains: Mapping[str, tuple[float | None, float | None, float | None]]
    behind: Mapping[str, tuple[float, tuple[float, float] | None]]
    difficulty: Mapping[str, Mapping[str, float]]
    places: Mapping[str, float]
    advice: Mapping[str, AdviceView]
    unseparated: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class MissingRunsView:
    """Missing or failed runs, of `methods` methods: the first ones, and failures by reason with their number."""

    n: int
    of: int
    methods: int
    first: tuple[str, ...]
    failures: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class CommonView:
    """The common runs on which methods are compared if less than half of them have every dataset and seed.

    Args:
        datasets, seeds, methods: their numbers.
        without: names of the methods that lack some of these runs.
    """

    datasets: int
    seeds: int
    methods: int
    without: tuple[str, ...]


@dataclass(frozen=True)
class DemoSettingsView:
    """A board whose methods trained with the recipe `demo`: images per class, and test images of all datasets.

    `shots` is None for all training images. `synthetic` says whether all datasets are synthetic.
    """

    shots: int | None
    images: int
    synthetic: bool


@dataclass(frozen=True)
class OverviewView:
    """The first screen of one setting.

    Args:
        anchor: of the setting on this page.
        seeds: empty for published numbers, which have one value each.
        methods: best first by the last measure; incomplete methods last.
        measures: `("base", "new", "H")`, `("base", "new", "open", "H")` or `("all",)`; the last one orders the methods.
        axes: the possible x axes of the chart; the first is shown.
        scores: by (method, dataset) and class split, one accuracy per seed, None for a missing seed; a single value if
            it does not depend on the seed.
        runs: by (method, dataset), one run id per seed like the scores; empty for published numbers.
        groups: names of the easy, medium and hard datasets by the last measure; `named_groups` if the user chose them.
        h_convention: of the averages, `h_of_means` or `mean_of_h`; None without H.
        missing: None if no run is missing.
        demo: None if a method was trained as published.
        common: None if all datasets and seeds are compared.
        other_scope: anchor of the same setting with all its datasets or, if `whole`, of the setting that compares the
            common runs; None for a setting that is shown once.
    """

    anchor: str
    setting: str
    backbone: str
    n_runs: int
    seeds: tuple[int, ...]
    baseline: str | None
    methods: tuple[RankedMethodView, ...]
    datasets: tuple[PlacedDatasetView, ...]
    measures: tuple[str, ...]
    axes: tuple[AxisView, ...]
    scores: Mapping[tuple[str, str], Mapping[str, tuple[float | None, ...]]]
    answers: Mapping[str, AnswerView]
    groups: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
    named_groups: bool
    h_convention: str | None
    missing: MissingRunsView | None
    runs: Mapping[tuple[str, str], tuple[str | None, ...]] = field(default_factory=dict)
    demo: DemoSettingsView | None = None
    common: CommonView | None = None
    other_scope: str | None = None
    whole: bool = False

    def method(self, key: str) -> RankedMethodView:
        """The method with that key."""
        return next(method for method in self.methods if method.key == key)
