"""The map of one score as finished texts, classes of colour and places; the page and `export --figure map` draw it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.analysis import Candidate, MeanTest, best_method, classes_of, seen_datasets
from bench.analysis import dataset_difficulty as difficulty
from bench.papers import DatasetFacts
from bench.score_texts import percent
from reports._format import counted, points, seconds, unsigned
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
        score: in per cent, which is the place in the band; None without one.
        tip: the score with its interval and number of runs.
        gap: whether runs are missing.
    """

    text: str
    tone: str = ""
    score: float | None = None
    tip: str = ""
    gap: bool = False

    @property
    def side(self) -> str:
        """Whether the score is above zero-shot (`gain`), below it (`loss`), or within a point of it (`even`)."""
        if self.tone == "g0":
            return "even"
        return "loss" if self.tone.startswith("l") else "gain"


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
    time: str
    seconds: float | None
    complete: bool
    inputs: tuple[str, ...] = ()
    apart: bool = False
    counts: str = ""


@dataclass(frozen=True)
class MapColumn:
    """One dataset: its short title, the zero-shot score, and what its heading tells on hover."""

    name: str
    title: str
    zero: str
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
        ranked: complete methods, best first.
        others: published methods with other inputs; incomplete: methods with missing runs. Neither is ranked.
        ends: of the axis of the strips, in points; `ticks` are on it.
        chosen: number of the method that the band shows.
        n_first, n_others: rows that are shown at first.
    """

    measure: str
    columns: tuple[MapColumn, ...]
    groups: tuple[MapGroup, ...]
    zero: MapRow | None
    ranked: tuple[MapRow, ...]
    others: tuple[MapRow, ...]
    incomplete: tuple[MapRow, ...]
    ends: tuple[float, float]
    ticks: tuple[float, ...]
    chosen: int | None
    known: bool
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
    def timed(self) -> bool:
        """Whether some time is known."""
        return any(row.time for row in self.rows)

    @property
    def has_ranks(self) -> bool:
        """Whether anything is known about the order."""
        return any(row.rank not in ("", "–") for row in self.ranked)

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
    make = _Rows(view, measure, [facts[name] for name in order], numbers)
    zero = None if table.baseline is None else make.row(table.method(table.baseline))
    shown = [make.row(method) for method in table.methods if _has_row(view, measure, method)]
    rows = sorted(shown, key=lambda row: -make.mean(row.key))
    ranked = tuple(row for row in rows if row.complete and not row.apart)
    others = tuple(row for row in rows if row.apart)
    reached = [end for row in ranked or others for end in _reached(row.strip)]
    ends = _ends(reached, zero is None)
    leader = next((row.number for row in rows if row.key == answer.leader), None)
    return GainMap(
        measure=measure,
        columns=tuple(_column(view, answer, facts[name], measure) for name in order),
        groups=_groups(answer, order),
        zero=zero,
        ranked=ranked,
        others=others,
        incomplete=tuple(row for row in rows if not row.complete and not row.apart),
        ends=ends,
        ticks=tuple(linear_ticks(*ends, 3)),
        chosen=leader if leader is not None else next((row.number for row in rows), None),
        known=any(answer.difficulty.get(difficulty.RTD, {}).values()),
        n_first=FIRST_PUBLISHED if others else FIRST_ROWS,
        inputs={letter: word for word, letter in LETTERS.items() if any(letter in row.inputs for row in rows)},
    )


def _order(answer: best_method.Answer, datasets: Sequence[str]) -> list[str]:
    """Datasets from easy to hard, then those of unknown difficulty."""
    places = answer.places
    return sorted(datasets, key=lambda name: (name not in places, places.get(name, 0.0), datasets.index(name)))


def _has_row(view: OverviewView, measure: str, method: Candidate) -> bool:
    """Whether a method is a row: not zero-shot, and a published one with a number of this measure."""
    if method.key == view.table.baseline:
        return False
    if view.board is not None:
        return True
    return any(view.table.mean(method.key, name, measure) is not None for name in view.table.datasets)


@dataclass(frozen=True)
class _Rows:
    """Makes the rows of a map."""

    view: OverviewView
    measure: str
    datasets: Sequence[DatasetFacts]
    numbers: Mapping[str, int]

    def mean(self, key: str) -> float:
        """The average of a method; -1 without one."""
        return self.view.table.averages[self.measure].get(key, -1.0)

    def row(self, method: Candidate) -> MapRow:
        view, key = self.view, method.key
        told, average = view.answers[self.measure].verdict, view.table.averages[self.measure].get(key)
        baseline, uses = view.table.baseline, view.uses.get(key, ())
        zero = None if baseline is None else view.table.averages[self.measure].get(baseline)
        apart = view.board is None and bool(uses)
        comparable = (method.complete or apart) and key != baseline
        gain = average - zero if comparable and average is not None and zero is not None else None
        entry = None if view.board is None else view.board.entry(key)
        name = view.names[key]
        return MapRow(
            number=self.numbers[key],
            key=key,
            name=name.removesuffix(f" [{', '.join(uses)}]") if apart else name,
            family=view.families[key],
            rank="" if view.board is None else told.ranks.get(key, "–"),
            score="–" if average is None else percent(average),
            gain="" if gain is None else points(gain),
            strip=self._strip(key, gain, average if comparable or baseline is None else None),
            cells=tuple(self._cell(key, dataset) for dataset in self.datasets),
            time="" if method.seconds is None or key == baseline else seconds(method.seconds),
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
        told = view.answers[self.measure].verdict
        if gain is not None:
            pair = (key, view.table.baseline or "")
            return Strip(100 * gain, _moved(told.on_these(*pair), gain), _moved(told.on_others(*pair), gain))
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
        tip = self._score_text(key, dataset.name, score)
        place = round(100 * score, 1)
        if view.table.baseline is None:
            return MapCell(unsigned(score), "", place, tip, gap)
        if key == view.table.baseline:
            return MapCell(f"{percent(score, 0)} %", "", place, tip, gap)
        zero = view.table.mean(view.table.baseline, dataset.name, measure)
        if zero is None:
            return MapCell("–", "", place, tip, gap)
        gain = round(score - zero, 4)
        return MapCell(points(gain), tone_of(gain), place, tip, gap)

    def _score_text(self, key: str, dataset: str, score: float) -> str:
        view, runs = self.view, self.view.table.array.ids(key, dataset)
        found = None if view.board is None else view.board.score(key, dataset, self.measure)
        text = f"{percent(score)} %"
        if found is not None and found.low is not None and found.high is not None:
            text += f" (95 % interval {percent(found.low)} to {percent(found.high)})"
        return f"{text}, {counted(len(runs), 'run')}" if runs else text


def _moved(test: MeanTest | None, gain: float) -> tuple[float, float] | None:
    """An interval in points around the gain that the row shows; the H of means may differ from the mean of H."""
    if test is None or test.low is None or test.high is None:
        return None
    return 100 * (test.low - test.mean + gain), 100 * (test.high - test.mean + gain)


def _column(view: OverviewView, answer: best_method.Answer, dataset: DatasetFacts, measure: str) -> MapColumn:
    zero = None if view.table.baseline is None else view.table.mean(view.table.baseline, dataset.name, measure)
    overlap = seen_datasets.published_overlap(dataset.name, view.backbone)
    seen = overlap if overlap is not None and seen_datasets.is_seen(overlap) else None
    told = dataset_text(view, answer, dataset)
    return MapColumn(
        name=dataset.name,
        title=dataset.title,
        zero="" if zero is None else f"{percent(zero, 0)} %",
        tip=told if seen is None else f"{told}. {seen.statement}",
        seen="" if seen is None else seen_mark(seen),
    )


def dataset_text(view: OverviewView, answer: best_method.Answer, dataset: DatasetFacts) -> str:
    """Title, number of classes, zero-shot accuracy and how many times chance it is."""
    split = classes_of(answer.measure)
    classes, accuracy = dataset.n_classes.get(split), view.table.zero_shot.get(dataset.name, {}).get(split)
    hardness = answer.difficulty.get(difficulty.RTD, {}).get(dataset.name)
    told = [
        dataset.title,
        f"{classes} classes" if classes else "",
        "" if accuracy is None else f"zero-shot {percent(accuracy, 1)} %",
        "" if not hardness else f"{_times(1 / hardness)} × chance",
    ]
    return ", ".join(filter(None, told))


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
    found: list[tuple[str, list[str]]] = []
    for name in order:
        kind = kinds.get(name, "")
        if not found or found[-1][0] != kind:
            found.append((kind, []))
        found[-1][1].append(name)
    return tuple(
        MapGroup(kind, _range([hardness[n] for n in names if hardness.get(n)]), len(names)) for kind, names in found
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
