"""From frames and registries to report views: the one adapter between the harness and its pages."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.leaderboard import Entry, H, HConvention, Leaderboard, leaderboard, settings
from bench.stats import Estimate, spearman
from reports.views import (
    AxisView,
    BlockView,
    CellView,
    Cost,
    DatasetView,
    EntryView,
    ExampleView,
    MeasureView,
    MissingView,
    PointView,
    SetAsideView,
    SiteView,
    TrendView,
    Value,
)

if TYPE_CHECKING:
    import pandas as pd

LINE_FROM = 6
"""Fewest datasets for which a line is drawn."""

MEASURES = {
    "relative_transfer_difficulty": "Relative transfer difficulty",
    "relative_transfer_difficulty_macro_precision": "Relative transfer difficulty, macro precision",
    "zero_shot_accuracy": "Zero-shot accuracy",
    "chance": "Chance accuracy",
    "zero_shot_margin": "Zero-shot margin",
    "zero_shot_nll": "Zero-shot negative log-likelihood",
    "separability_pairwise": "Class separability, pairwise",
    "separability_prototype": "Class separability, prototypes",
    "intra_cosine": "Cosine within classes",
    "inter_cosine": "Cosine between classes",
    "text_distance_mean": "Class text distance, mean",
    "text_distance_nearest": "Class text distance, nearest",
}
AXES = (
    "relative_transfer_difficulty",
    "separability_pairwise",
    "separability_prototype",
    "text_distance_mean",
    "text_distance_nearest",
    "zero_shot_margin",
)
LOG_AXES = {"relative_transfer_difficulty"}
SPLIT_OF = {"base": "base", "new": "new", H: "all", "all": "all"}
"""Which class split's difficulty belongs to which measure; H is over both halves."""


@dataclass(frozen=True)
class MethodFacts:
    """What a page says about a method."""

    title: str
    family: str = "other"
    summary: str = ""
    citation: str = ""


@dataclass(frozen=True)
class DatasetFacts:
    """What a page says about a dataset."""

    title: str
    summary: str = ""
    domain: str = ""
    licence: str = ""
    homepage: str = ""


@dataclass(frozen=True)
class Catalogue:
    """Facts by registry name; a name without facts is shown as it is."""

    methods: Mapping[str, MethodFacts] = field(default_factory=dict)
    datasets: Mapping[str, DatasetFacts] = field(default_factory=dict)

    def method(self, name: str) -> MethodFacts:
        """Facts of a method."""
        return self.methods.get(name, MethodFacts(name))

    def dataset(self, name: str) -> DatasetFacts:
        """Facts of a dataset; the setting of a dial (`name:option=value`) has those of the dial, titled by its name."""
        if name in self.datasets:
            return self.datasets[name]
        facts = self.datasets.get(name.partition(":")[0])
        if facts is None:
            return DatasetFacts(name)
        return DatasetFacts(name, facts.summary, facts.domain, facts.licence, facts.homepage)


def registered() -> Catalogue:
    """The facts that the two registries hold."""
    from datasets_registry import list_datasets
    from methods import list_methods

    return Catalogue(
        methods={
            info.name: MethodFacts(info.title, str(info.family), info.summary, info.citation.strip())
            for info in list_methods()
        },
        datasets={
            info.name: DatasetFacts(info.title, info.summary, info.domain, info.licence, info.homepage)
            for info in list_datasets()
        },
    )


def site_view(
    runs: pd.DataFrame,
    difficulty: pd.DataFrame,
    catalogue: Catalogue,
    *,
    package_version: str,
    generated_at: datetime | None = None,
    protocol: str | None = None,
    convention: HConvention = HConvention.H_OF_MEANS,
    examples: Callable[[str], tuple[ExampleView, ...]] = lambda _: (),
) -> SiteView:
    """Everything that the page of a results database shows.

    Args:
        runs: the store's `runs_frame()`.
        difficulty: the store's `difficulty_frame()`.
        catalogue: facts of methods and datasets.
        package_version: printed in the header.
        generated_at: now, unless given.
        protocol: show this protocol only.
        convention: how H enters the average rows.
        examples: small pictures of a dataset by its name; none unless given.
    """
    if protocol is not None:
        runs = runs[runs["protocol"] == protocol]
    blocks: list[BlockView] = []
    for setting in settings(runs):
        board = leaderboard(runs, setting, convention=convention)
        what = f"{setting.backbone} {setting.protocol} {setting.source} {setting.shots} shots"
        anchor = _anchor(what, {b.anchor for b in blocks})
        blocks.append(block_view(board, difficulty, catalogue, anchor=anchor, examples=examples))
    once = runs.drop_duplicates("run_id")
    return SiteView(
        title="Efficient transfer learning of CLIP",
        package_version=package_version,
        generated_at=_minute(generated_at or datetime.now(UTC)),
        newest_run=_minute(once["created_at"].max()) if len(once) else None,
        n_runs=len(once),
        n_failed=int((once["status"] != "ok").sum()),
        blocks=tuple(blocks),
        facts=_provenance(once),
    )


def block_view(
    board: Leaderboard,
    difficulty: pd.DataFrame,
    catalogue: Catalogue,
    *,
    anchor: str,
    examples: Callable[[str], tuple[ExampleView, ...]] = lambda _: (),
) -> BlockView:
    """One leaderboard with its charts and sections."""
    measured = _measured(difficulty, board.setting.backbone)
    cells = {(entry.key, dataset): _cell(entry, dataset) for entry in board.entries for dataset in board.datasets}
    axes = tuple(
        AxisView(name, MEASURES[name], name in LOG_AXES)
        for name in AXES
        if any(name == measure for dataset in board.datasets for measure, _ in measured[dataset].values)
    )
    points = _points(board, measured, axes)
    return BlockView(
        anchor=anchor,
        backbone=board.setting.backbone,
        protocol=board.setting.protocol,
        shots=board.setting.shots,
        draw=board.setting.draw,
        precision=board.setting.precision,
        source=board.setting.source or None,
        seeds=board.seeds,
        measures=board.measures,
        h_convention=board.convention.value if H in board.measures else None,
        n_runs=len({run_id for entry in board.entries for run_id in entry.run_ids}),
        baseline=board.baseline,
        entries=tuple(_entry(entry, board, catalogue.method(entry.method)) for entry in board.entries),
        datasets=tuple(
            _dataset(name, measured[name], catalogue.dataset(name), examples(name)) for name in board.datasets
        ),
        cells=cells,
        axes=axes,
        points=points,
        trends=_trends(points, axes),
        missing=tuple(MissingView(c.entry, c.dataset, c.seed, c.error, c.run_id) for c in board.missing),
        set_aside=tuple(SetAsideView(a.entry, a.dataset, a.seed, a.run_id, a.reason) for a in board.set_aside),
    )


def _value(estimate: Estimate) -> Value:
    return Value(estimate.mean, estimate.n, estimate.half_width)


def _entry(entry: Entry, board: Leaderboard, facts: MethodFacts) -> EntryView:
    averages = {measure: entry.average(measure, board.convention) for measure in board.measures}
    other = next(convention for convention in HConvention if convention is not board.convention)
    other_h = entry.average(H, other)
    details = [("config." + key, _text(value)) for key, value in sorted(entry.config.items())]
    if entry.recipe_name:
        details.append(("recipe", entry.recipe_name))
    details += [("recipe." + key, _text(value)) for key, value in sorted((entry.recipe or {}).items())]
    return EntryView(
        key=entry.key,
        method=entry.method,
        title=facts.title,
        label=entry.label,
        family=facts.family,
        summary=facts.summary,
        citation=facts.citation,
        rank=entry.rank,
        values={measure: _value(estimate) for measure, estimate in averages.items() if estimate},
        other_h=_value(other_h) if other_h else None,
        n=entry.n,
        expected=entry.expected,
        cost=Cost(**vars(entry.cost)) if entry.cost else None,
        details=tuple(details),
        run_ids=entry.run_ids,
    )


def _cell(entry: Entry, dataset: str) -> CellView:
    cell = entry.cells.get(dataset)
    if cell is None:
        return CellView(entry.key, dataset, {}, {}, 0, sum(m.dataset == dataset for m in entry.missing), ())
    values = {measure: _value(estimate) for measure, estimate in cell.scores.items()}
    return CellView(entry.key, dataset, values, cell.gains, cell.n, cell.expected, cell.run_ids)


@dataclass
class _Measured:
    values: dict[tuple[str, str], float] = field(default_factory=dict)  # by (measure, split)
    n_classes: dict[str, int] = field(default_factory=dict)


def _measured(difficulty: pd.DataFrame, backbone: str) -> defaultdict[str, _Measured]:
    found: defaultdict[str, _Measured] = defaultdict(_Measured)
    rows = difficulty[difficulty["backbone"] == backbone]
    if "created_at" in rows:
        rows = rows.sort_values("created_at", kind="stable")  # the newest measurement of a dataset wins
    for row in rows.dropna(subset=["value"]).to_dict("records"):
        measured = found[str(row["dataset"])]
        measured.values[str(row["measure"]), str(row["split"])] = float(row["value"])
        measured.n_classes[str(row["split"])] = int(row["n_classes"])
    return found


def _dataset(name: str, measured: _Measured, facts: DatasetFacts, examples: tuple[ExampleView, ...]) -> DatasetView:
    present = {measure for measure, _ in measured.values}
    order = [measure for measure in MEASURES if measure in present] + sorted(present - set(MEASURES))
    measures = tuple(
        MeasureView(
            measure,
            MEASURES.get(measure, measure),
            {split: value for (other, split), value in measured.values.items() if other == measure},
        )
        for measure in order
    )
    return DatasetView(
        name,
        facts.title,
        facts.summary,
        facts.domain,
        facts.licence,
        facts.homepage,
        dict(measured.n_classes),
        measures,
        examples,
    )


def _points(board: Leaderboard, measured: Mapping[str, _Measured], axes: Sequence[AxisView]) -> tuple[PointView, ...]:
    points = []
    for entry in board.entries:
        for dataset, cell in entry.cells.items():
            if dataset == board.setting.source:  # trained on: no transfer
                continue
            for panel in board.measures:
                values = measured[dataset].values
                split = SPLIT_OF[panel]
                difficulty = {
                    axis.name: values[axis.name, split]
                    for axis in axes
                    if (axis.name, split) in values and (not axis.log or values[axis.name, split] > 0)
                }
                if difficulty:
                    value, gain = _value(cell.scores[panel]), cell.gains.get(panel)
                    points.append(PointView(entry.key, dataset, panel, value, gain, difficulty, cell.run_ids))
    return tuple(points)


def _trends(points: Sequence[PointView], axes: Sequence[AxisView]) -> tuple[TrendView, ...]:
    groups: dict[tuple[str, str], list[PointView]] = defaultdict(list)
    for point in points:
        groups[point.entry, point.panel].append(point)
    trends = []
    for (entry, panel), group in groups.items():
        for axis in axes:
            for target in ("value", "gain"):
                pairs = [
                    (point.difficulty[axis.name], point.value.mean if target == "value" else point.gain)
                    for point in group
                    if axis.name in point.difficulty and (target == "value" or point.gain is not None)
                ]
                trend = _trend(entry, panel, axis, target, [(x, float(y)) for x, y in pairs if y is not None])
                if trend is not None:
                    trends.append(trend)
    return tuple(trends)


def _trend(
    entry: str, panel: str, axis: AxisView, target: str, pairs: Sequence[tuple[float, float]]
) -> TrendView | None:
    x, y = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    found = spearman(x, y)
    if found is None:
        return None
    ends = None
    if found.n >= LINE_FROM:
        scale = np.log(x) if axis.log else np.asarray(x)
        slope, intercept = np.polyfit(scale - scale.mean(), y, 1)
        low, high = int(np.argmin(scale)), int(np.argmax(scale))
        line = [(x[i], float(intercept + slope * (scale[i] - scale.mean()))) for i in (low, high)]
        ends = (line[0], line[1])
    return TrendView(entry, panel, axis.name, target, ends, found.rho, found.n, found.beyond_chance())


def _anchor(text: str, taken: set[str]) -> str:
    base = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    anchor, number = base, 2
    while anchor in taken:
        anchor, number = f"{base}-{number}", number + 1
    return anchor


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _minute(moment: Any) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _provenance(once: pd.DataFrame) -> tuple[tuple[str, str], ...]:
    """Where the runs were made, each distinct answer with how many runs gave it."""
    if "provenance" not in once:
        return ()
    records = [json.loads(text) for text in once["provenance"].dropna()]
    questions: dict[str, Callable[[Mapping[str, Any]], object]] = {
        "Package version of the runs": lambda r: r.get("package_version"),
        "Source": _source,
        "Python": lambda r: r.get("python"),
        "PyTorch": lambda r: (r.get("packages") or {}).get("torch"),
        "open_clip": lambda r: (r.get("packages") or {}).get("open_clip_torch"),
        "Device": lambda r: r.get("device"),
        "Platform": lambda r: r.get("platform"),
        "Backbone weights": lambda r: (r.get("backbone_digest") or "")[:16] or None,
    }
    facts = []
    for title, ask in questions.items():
        answers = Counter(str(answer) for record in records if (answer := ask(record)) is not None)
        if answers:
            text = "; ".join(
                f"{answer} ({n} runs)" if len(answers) > 1 else answer for answer, n in sorted(answers.items())
            )
            facts.append((title, text))
    return tuple(facts)


def _source(record: Mapping[str, Any]) -> str | None:
    commit = record.get("git_commit")
    if not commit:
        return None
    return f"{str(commit)[:10]}{' with uncommitted changes' if record.get('git_dirty') else ''}"
