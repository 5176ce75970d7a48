"""The map of one score as finished texts, classes of colour and places; the page and `export --figure map` draw it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.analysis import Candidate, MeanTest, best_method, classes_of, seen_datasets
from bench.analysis import dataset_difficulty as difficulty
from bench.papers import DatasetFacts
from bench.score_texts import TimeUnit, percent, time_unit
from reports._format import interval, points, unsigned
from reports.charts.plot import linear_ticks
from reports.map.classes import tone_of
from reports.sentences import seen_mark
from reports.titles import SCORE_TITLES, score_title
from reports.views import OverviewView

DENSE = 12
"""Methods up to which a row has a second line with the family."""
FIRST_ROWS, FIRST_OTHERS = 15, 5
"""Rows that are shown at first of a map with more: ranked ones, and of those with other inputs."""
FIRST_PUBLISHED = 8
"""The same for published numbers, where methods with other inputs follow."""
LETTERS = {
    "teacher": "T",
    "unlabelled images": "U",
    "outside texts": "L",
    "test stream": "S",
    "validation labels": "V",
    "test labels": "!",
    "unknown inputs": "?",
}
"""The badge of what a method sees besides the labelled images."""


@dataclass(frozen=True)
class MapCell:
    """One method on one dataset.

    Args:
        text: gain over zero-shot in points, or the score in per cent without zero-shot; an en dash without a score.
        tone: the class of colour, `l6` to `g6`; empty without a gain.
        score: in per cent, which is the place in the chart; None without one.
        gap: whether runs are missing.
    """

    text: str
    tone: str = ""
    score: float | None = None
    gap: bool = False

    @property
    def side(self) -> str:
        """Whether the gain is one (`gain`), a loss (`loss`), or less than a point (`even`)."""
        return "even" if self.tone == "g0" else "loss" if self.tone.startswith("l") else "gain"


@dataclass(frozen=True)
class Strip:
    """The mean of a row with its intervals in points: here, and elsewhere; None where nothing is known."""

    mean: float
    here: tuple[float, float] | None
    elsewhere: tuple[float, float] | None


@dataclass(frozen=True)
class MapRow:
    """One method.

    Args:
        number: of the method in the page's data.
        rank: the range of ranks; an en dash without one, and empty for published numbers.
        groups: the mean of its cells on the easy, medium and hard datasets; empty without groups.
        inputs: letters of `LETTERS`.
        apart: whether it is not ranked, since it is a published method with other inputs.
        complete: whether it has every dataset and seed.
        counts: the number of its runs where some are missing.
        seconds: training time of one run; None if it is unknown.
    """

    number: int
    key: str
    name: str
    family: str
    rank: str
    score: str
    gain: str
    strip: Strip | None
    cells: tuple[MapCell, ...]
    groups: tuple[MapCell, ...]
    time: str
    seconds: float | None
    complete: bool
    inputs: tuple[str, ...] = ()
    apart: bool = False
    counts: str = ""

    @property
    def reach(self) -> str:
        """Both intervals of its gain in points, as text; empty without one."""
        intervals = [] if self.strip is None else [("here", self.strip.here), ("elsewhere", self.strip.elsewhere)]
        return ", ".join(f"{where} {interval(*(end / 100 for end in ends))}" for where, ends in intervals if ends)


@dataclass(frozen=True)
class MapColumn:
    """One dataset: its number in the page's data, its short title, and what its heading tells on hover."""

    number: int
    name: str
    title: str
    tip: str
    seen: str = ""


@dataclass(frozen=True)
class MapGroup:
    """Neighbouring datasets that are easy, medium or hard, with their accuracy / chance; `kind` may be empty."""

    kind: str
    times: str
    size: int


@dataclass(frozen=True)
class GainMap:
    """The map of one score.

    Args:
        zero: the row of zero-shot; None without one.
        zero_at: how many ranked methods are better than zero-shot.
        ranked: complete methods but zero-shot, best first.
        others: published methods with other inputs; incomplete: methods with missing runs. Neither is ranked.
        ends: of the axis of the strips, in points; `ticks` are on it.
        chosen: number of the method that the chart shows.
        unit: of the training times.
        n_first, n_others: rows that are shown at first.
    """

    measure: str
    columns: tuple[MapColumn, ...]
    groups: tuple[MapGroup, ...]
    zero: MapRow | None
    zero_at: int
    ranked: tuple[MapRow, ...]
    others: tuple[MapRow, ...]
    incomplete: tuple[MapRow, ...]
    ends: tuple[float, float]
    ticks: tuple[float, ...]
    chosen: int | None
    known: bool
    unit: str = "s"
    n_first: int = FIRST_ROWS
    n_others: int = FIRST_OTHERS
    inputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def rows(self) -> tuple[MapRow, ...]:
        """All methods but zero-shot, in the order of the map."""
        return (*self.ranked, *self.others, *self.incomplete)

    @property
    def dense(self) -> bool:
        """Whether the rows are low."""
        return len(self.rows) > DENSE

    @property
    def tested(self) -> bool:
        """Whether some mean has an interval on these datasets."""
        return any(row.strip is not None and row.strip.here is not None for row in self.rows)

    @property
    def timed(self) -> bool:
        """Whether some time is known."""
        return any(row.time for row in self.rows)

    @property
    def ordered(self) -> tuple[MapRow, ...]:
        """The ranked methods with zero-shot at its place."""
        zero = () if self.zero is None else (self.zero,)
        return (*self.ranked[: self.zero_at], *zero, *self.ranked[self.zero_at :])

    @property
    def kinds(self) -> tuple[str, ...]:
        """The names of the groups; empty if no difficulty is known."""
        return tuple(group.kind for group in self.groups if group.kind)

    def row(self, number: int | None) -> MapRow | None:
        """A method by its number."""
        return next((row for row in (*self.ordered, *self.rows) if row.number == number), None)

    @property
    def title(self) -> str:
        """The score within a sentence."""
        return SCORE_TITLES[self.measure]

    @property
    def score_title(self) -> str:
        """The heading of the score."""
        return score_title(self.measure)

    def along(self, value: float) -> float:
        """The place of points on the axis of the strips, in per cent of its width."""
        low, high = self.ends
        return round(min(max(100 * (value - low) / (high - low), 0.0), 100.0), 2)


def letters(uses: Sequence[str]) -> tuple[str, ...]:
    """The badges of what a method sees; "?" for what has none."""
    return tuple(LETTERS.get(word, "?") for word in uses)


def gain_map(view: OverviewView, measure: str) -> GainMap:
    """The map of a setting by one measure."""
    answer, table = view.answers[measure], view.table
    numbers = {key: number for number, key in enumerate(view.names)}
    order = _order(answer, table.datasets)
    facts = {dataset.name: dataset for dataset in view.datasets}
    unit = time_unit(method.seconds or 0 for method in table.methods if method.key != table.baseline)
    make = _Rows(view, measure, [facts[name] for name in order], numbers, unit)
    zero = None if table.baseline is None else make.row(table.method(table.baseline))
    shown = [
        make.row(method)
        for method in table.methods
        if method.key != table.baseline
        and (view.board is not None or any(table.mean(method.key, name, measure) is not None for name in order))
    ]
    rows = sorted(shown, key=lambda row: -make.mean(row.key))
    ranked = tuple(row for row in rows if row.complete and not row.apart)
    others = tuple(row for row in rows if row.apart)
    reached = [end for row in ranked or others for end in _reached(row.strip)]
    ends = _ends(reached, zero is None)
    return GainMap(
        measure=measure,
        columns=tuple(_column(view, answer, facts[name]) for name in order),
        groups=_groups(answer, order),
        zero=zero,
        zero_at=0 if zero is None else sum(make.mean(row.key) >= make.mean(zero.key) for row in ranked),
        ranked=ranked,
        others=others,
        incomplete=tuple(row for row in rows if not row.complete and not row.apart),
        ends=ends,
        ticks=tuple(linear_ticks(*ends, 3)),
        chosen=next((row.number for row in (*ranked, *rows)), None),
        known=any(answer.difficulty.get(difficulty.RTD, {}).values()),
        unit=unit.name,
        n_first=FIRST_PUBLISHED if others else FIRST_ROWS,
        inputs={letter: word for word, letter in LETTERS.items() if any(letter in row.inputs for row in rows)},
    )


def _order(answer: best_method.Answer, datasets: Sequence[str]) -> list[str]:
    """Datasets from easy to hard, then those of unknown difficulty."""
    places = answer.places
    return sorted(datasets, key=lambda name: (name not in places, places.get(name, 0.0), datasets.index(name)))


@dataclass(frozen=True)
class _Rows:
    """Makes the rows of a map."""

    view: OverviewView
    measure: str
    datasets: Sequence[DatasetFacts]
    numbers: Mapping[str, int]
    unit: TimeUnit

    def mean(self, key: str) -> float:
        """The average of a method; -1 without one."""
        return self.view.table.averages[self.measure].get(key, -1.0)

    def row(self, method: Candidate) -> MapRow:
        view, key = self.view, method.key
        verdict, average = view.answers[self.measure].verdict, view.table.averages[self.measure].get(key)
        baseline, uses = view.table.baseline, view.uses.get(key, ())
        apart = view.board is None and bool(uses)
        comparable = (method.complete or apart) and key != baseline
        gain = self._mean_gain(key, view.table.datasets) if comparable and baseline is not None else None
        entry = None if view.board is None else view.board.entry(key)
        name = view.names[key]
        return MapRow(
            number=self.numbers[key],
            key=key,
            name=name.removesuffix(f" [{', '.join(uses)}]") if apart else name,
            family=view.families[key],
            rank="" if view.board is None else verdict.ranks.get(key, "–"),
            score="–" if average is None else percent(average),
            gain="" if gain is None else points(gain),
            strip=self._strip(key, gain, average if comparable or baseline is None else None),
            cells=tuple(self._cell(key, dataset) for dataset in self.datasets),
            groups=self._groups(key, known=comparable or baseline is None),
            time="" if method.seconds is None else self.unit.number(0.0 if key == baseline else method.seconds),
            seconds=method.seconds,
            complete=method.complete or apart,
            inputs=letters(uses),
            apart=apart,
            counts=""
            if entry is None or entry.coverage == entry.planned
            else f"{entry.coverage} of {entry.planned} runs",
        )

    def _strip(self, key: str, gain: float | None, average: float | None) -> Strip | None:
        view = self.view
        verdict = view.answers[self.measure].verdict
        if gain is not None:
            pair = (key, view.table.baseline or "")
            return Strip(100 * gain, _interval(verdict.on_these(*pair)), _interval(verdict.on_others(*pair)))
        if average is None or view.table.baseline is not None or view.board is None:
            return None
        mean = view.board.average(key, self.measure)
        if mean is None or mean.low is None or mean.high is None:
            return Strip(100 * average, None, None)
        return Strip(100 * average, (100 * mean.low, 100 * mean.high), None)

    def _cell(self, key: str, dataset: DatasetFacts) -> MapCell:
        view, measure = self.view, self.measure
        score = view.table.mean(key, dataset.name, measure)
        gap = not view.table.array.whole(key, dataset.name)
        if score is None:
            return MapCell("–", gap=gap)
        place = round(100 * score, 2)
        if view.table.baseline is None:
            return MapCell(unsigned(score), "", place, gap)
        if key == view.table.baseline:
            return MapCell("", "", place, gap)
        zero = view.table.mean(view.table.baseline, dataset.name, measure)
        if zero is None:
            return MapCell("–", "", place, gap)
        gain = round(score - zero, 4)
        return MapCell(points(gain), tone_of(gain), place, gap)

    def _groups(self, key: str, *, known: bool) -> tuple[MapCell, ...]:
        """The mean gain on each group, or the mean score without zero-shot; without a number where runs are missing."""
        found = []
        for names in filter(None, self.view.answers[self.measure].by_difficulty):
            mean = self._mean_gain(key, names) if known else None
            if mean is None:
                found.append(MapCell("–"))
            else:
                scores = self.view.table.baseline is None
                found.append(MapCell(unsigned(mean)) if scores else MapCell(points(mean), tone_of(mean)))
        return tuple(found)

    def _mean_gain(self, key: str, names: Sequence[str]) -> float | None:
        """The mean of the gains on datasets, or of the scores without zero-shot; None where one is missing."""
        table = self.view.table
        scores = [table.mean(key, name, self.measure) for name in names]
        zeros = [0.0 if (b := table.baseline) is None else table.mean(b, name, self.measure) for name in names]
        gains = [a - b for a, b in zip(scores, zeros, strict=True) if a is not None and b is not None]
        return sum(gains) / len(gains) if gains and len(gains) == len(names) else None


def _interval(test: MeanTest | None) -> tuple[float, float] | None:
    """The interval of a test in points."""
    return None if test is None or test.low is None or test.high is None else (100 * test.low, 100 * test.high)


def _column(view: OverviewView, answer: best_method.Answer, dataset: DatasetFacts) -> MapColumn:
    overlap = seen_datasets.published_overlap(dataset.name, view.backbone)
    seen = overlap if overlap is not None and seen_datasets.is_seen(overlap) else None
    text = dataset_text(view, answer, dataset)
    return MapColumn(
        number=[facts.name for facts in view.datasets].index(dataset.name),
        name=dataset.name,
        title=dataset.title,
        tip=text if seen is None else f"{text}. {seen.statement}",
        seen="" if seen is None else seen_mark(seen),
    )


def dataset_text(view: OverviewView, answer: best_method.Answer, dataset: DatasetFacts) -> str:
    """Title, number of classes, zero-shot accuracy and how many times chance it is."""
    split = classes_of(answer.measure)
    classes, accuracy = dataset.n_classes.get(split), view.table.zero_shot.get(dataset.name, {}).get(split)
    hardness = answer.difficulty.get(difficulty.RTD, {}).get(dataset.name)
    facts = [
        dataset.title,
        f"{classes} classes" if classes else "",
        "" if accuracy is None else f"zero-shot {percent(accuracy, 1)} %",
        "" if not hardness else f"{_times(1 / hardness)} × chance",
    ]
    return ", ".join(filter(None, facts))


def _times(value: float) -> str:
    return f"{value:.1f}" if value < 2 else f"{value:.0f}"


def _groups(answer: best_method.Answer, order: Sequence[str]) -> tuple[MapGroup, ...]:
    """Runs of neighbours of one kind, with the range of accuracy / chance."""
    kinds = {
        name: kind
        for kind, names in zip(("Easy", "Medium", "Hard"), answer.by_difficulty, strict=True)
        for name in names
    }
    hardness = answer.difficulty.get(difficulty.RTD, {})
    groups: list[tuple[str, list[str]]] = []
    for name in order:
        kind = kinds.get(name, "")
        if not groups or groups[-1][0] != kind:
            groups.append((kind, []))
        groups[-1][1].append(name)
    return tuple(
        MapGroup(kind, _range([hardness[n] for n in names if hardness.get(n)]), len(names)) for kind, names in groups
    )


def _range(values: Sequence[float]) -> str:
    if not values:
        return ""
    ends = list(dict.fromkeys(_times(1 / value) for value in (max(values), min(values))))
    return f"{'–'.join(ends)} × chance"


def _reached(strip: Strip | None) -> list[float]:
    """What an axis has to hold of a strip: the mean and the interval here."""
    return [] if strip is None else [strip.mean, *(strip.here or ()), *(strip.elsewhere or ())]


def _ends(reached: Sequence[float], scores: bool) -> tuple[float, float]:
    """The ends of the axis of the strips: with 0 for gains."""
    values = [*reached, *(() if scores else (0.0,))]
    if not values:
        return (0.0, 1.0)
    low, high = min(values), max(values)
    room = 0.06 * (high - low) or 1.0
    return low - room, high + room
