"""Checks a submission, in a maintainer's continuous integration and in `submit`."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from bench._util.words import counted
from bench.bounds import printable
from bench.errors import BundleError, ShardError
from bench.extensions.boards.errors import SubmissionError
from bench.extensions.boards.submissions.data_checks import DataChecks, Level
from bench.extensions.boards.submissions.run_facts import RunFacts, run_facts
from bench.extensions.boards.submissions.submission import Submission, SubmissionFacts, open_submission
from bench.record import RunRecord, RunStatus
from bench.results import (
    DIFFICULTY_FILE,
    OpenArchive,
    Shard,
    bundle_runs,
    bundle_shard,
    changed_recipe,
    check_difficulty,
    contradiction,
    known_methods,
    open_bundle,
    unloadable_runs,
)
from bench.spec import AXES, LEARNED, PUBLISHED_RECIPES, Part, external_parts
from datasets_registry import UnknownNameError, canonical_json
from methods import MethodFacts, Selection, selection_rules

_SHOWN = 5
"""Problems of one kind that are written out; the others are counted."""


class OwnChecks(BaseModel):
    """Results that depend on the submission alone; stored by the digest of its content.

    Args:
        name: of the submission; empty if it could not be opened.
        facts: None if it could not be opened.
        refusals: why it cannot be accepted, one sentence each.
        notes: what a reader should know, one sentence each.
        checked: what was checked, on how many runs.
        data: number of runs by how far their data were compared.
        published: number of runs with published settings.
        settings: settings that differ from the published ones, by method; an empty list where none does.
        runs: facts of its completed runs.
        root: of its bundle.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    digest: str = ""
    facts: SubmissionFacts | None = None
    refusals: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    checked: tuple[str, ...] = ()
    data: dict[Level, int] = {}
    published: int = 0
    settings: dict[str, list[str]] = {}
    runs: tuple[RunFacts, ...] = ()
    root: str = ""


def shortened(problems: Iterable[str]) -> list[str]:
    """The first problems, and how many more there are."""
    listed = list(problems)
    more = len(listed) - _SHOWN
    return [*listed[:_SHOWN], f"and {more} more of this kind"] if more > 0 else listed


def harmless(text: str) -> str:
    """One line of at most 1,000 characters without control characters and markup, for terminals and pages."""
    return printable(text)[:1000].replace("<", "‹").replace(">", "›")


def _facts(method: str) -> MethodFacts | None:
    """The facts of a method, None if it is not installed with the board."""
    try:
        return known_methods().get(method)
    except UnknownNameError:
        return None


def _differences(record: RunRecord) -> tuple[str, ...] | None:
    """Settings that are not the published ones, as `name=value`; None if the method is not installed.

    The configuration and the recipe are compared by value with those that the method has for the run's protocol, shots
    and dataset. The name of a recipe alone proves nothing.
    """
    spec = record.spec
    facts = _facts(spec.method)
    if facts is None or external_parts(spec.method):
        return None
    found = list(_changes(spec.config, facts.settled(spec.protocol).values))
    recipe = spec.recipe or {}
    name = recipe.get("name")
    if spec.recipe is not None and name not in PUBLISHED_RECIPES:
        found.append(f"recipe {_brief(name) if name else 'without a name'}")
    else:
        changed = changed_recipe(spec.method, spec.protocol, spec.shots, spec.dataset, spec.recipe)
        found += [f"{key}={_brief(recipe.get(key.removeprefix('recipe.')))}" for key in changed]
    if spec.class_text is not None:
        found.append(f"class texts {_brief(spec.class_text)}")
    if spec.epoch_selection is not None:
        found.append(f"epoch selection {spec.epoch_selection}")
    if spec.held_out_shot:
        found.append("selection hoso")
    return tuple(found)


def _wrong_oracle(record: RunRecord) -> str | None:
    """The contradiction of spec and scores on whether a run selects on test labels; None without one."""
    spec = record.spec
    facts = _facts(spec.method)
    rule = None if facts is None else selection_rules(facts).get(Selection.ORACLE)
    settings = {} if rule is None or rule.by_epoch else rule.settings
    chosen = bool(settings) and all(spec.config.get(key) == value for key, value in settings.items())
    if (chosen or spec.epoch_selection == "oracle") and not all(score.selected_on_test for score in record.scores):
        what = "settings select" if chosen else "epoch was selected"
        return f"its {what} on test labels, but its scores do not say so"
    stated = any(score.selected_on_test for score in record.all_scores)
    if facts is not None and stated and not chosen and spec.epoch_selection != "oracle":
        return "its scores state a selection on test labels, but its settings select nothing on them"
    return None


def _changes(config: Mapping[str, Any], published: Mapping[str, Any]) -> Iterator[str]:
    """The settings that only one of both has, or that have other values."""
    for key in sorted(config.keys() | published.keys()):
        if key not in config:
            yield f"{key} is not stated"
        elif key not in published:
            yield f"{key}={_brief(config[key])}, which is no setting of the method"
        elif config[key] != published[key]:
            yield f"{key}={_brief(config[key])}"


def _brief(value: object) -> str:
    """A value as text of about 60 characters at most."""
    text = str(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


MOST_RUNS = 20_000
"""Most runs of one submission."""
LARGEST_RUN = 64 * 2**20
"""Largest file of one run, in bytes; predictions of all 50,000 images of ImageNet take about 5 MiB."""
LARGEST_TOTAL = 8 * 2**30
"""Most bytes that a bundle may unpack to."""
MOST_ROWS = 2_000
"""Most rows of leaderboards that one submission may add: a method with its settings, in one setting of the board."""
MOST_TABLES = 200
"""Most leaderboards: backbone, protocol, shots, draw, support, unlabelled images, teacher and precision."""
MOST_DATASETS = 300
MOST_ENTRIES = 200
"""Most methods with their settings."""
LONGEST_SETTINGS = 20_000
"""Most characters of the settings of one run."""
LONGEST_FACT = 1_000
"""Most characters of any other text of a record."""
_BATCH = 200


class Checks:
    """Checks submissions against the data below `data_root`, of which each task is built once."""

    def __init__(self, data_root: Path | None) -> None:
        self._data = DataChecks(data_root)

    def own(self, folder: Path) -> OwnChecks:
        """The checks of one submission by itself. A refusal is a result and not an error."""
        try:
            submission = open_submission(folder)
        except SubmissionError as error:
            return OwnChecks(name=harmless(folder.name)[:80], refusals=(harmless(str(error)),))
        try:
            with open_bundle(submission.bundle) as bundle:
                return self._runs(submission, bundle)
        except BundleError as error:
            return _refused(submission, [harmless(str(error))])

    def _runs(self, submission: Submission, bundle: OpenArchive) -> OwnChecks:
        path = submission.bundle
        run_ids = bundle_runs(bundle, path)
        if problems := [*_sizes(bundle, len(run_ids)), *_difficulties(bundle)]:
            return _refused(submission, problems)
        found = _Findings(self._data)
        for start in range(0, len(run_ids), _BATCH):
            found.add([bundle_shard(run_id, bundle, path) for run_id in run_ids[start : start + _BATCH]])
            if list(found.counts.problems()):
                break
        missing = sorted(method for method in found.methods if f"\n## {method}\n" not in f"\n{submission.cards}")
        return OwnChecks(
            name=submission.name,
            digest=submission.digest,
            facts=submission.facts,
            refusals=(
                *found.refusals(),
                *([f"methods.md has no card of {', '.join(missing)}"] if missing else []),
                *found.counts.problems(),
            ),
            notes=tuple(found.notes()),
            checked=tuple(found.checked()),
            data=dict(found.levels),
            published=found.published,
            settings={method: sorted(values) for method, values in sorted(found.differences.items())},
            runs=tuple(found.runs),
            root=bundle.root,
        )


@dataclass
class _Counts:
    """Counts of what a page shows of a submission."""

    entries: set[tuple[str, str]] = field(default_factory=set)
    tables: set[tuple[object, ...]] = field(default_factory=set)
    rows: set[tuple[object, ...]] = field(default_factory=set)
    datasets: set[str] = field(default_factory=set)

    def add(self, record: RunRecord) -> None:
        spec = record.spec
        rows = [getattr(spec, axis.name) for axis in AXES if axis.part is Part.ROW]
        settings = canonical_json([spec.config, spec.recipe, *rows])
        entry = spec.method, hashlib.sha256(settings.encode("utf-8", "backslashreplace")).hexdigest()
        learned = spec.shots, spec.draw, *(getattr(spec, axis.name) for axis in LEARNED)
        table = spec.backbone, spec.protocol, spec.precision, *learned
        self.entries.add(entry)
        self.tables.add(table)
        self.rows.add((*table, *entry))
        self.datasets.update((spec.dataset, *spec.targets))

    def problems(self) -> Iterator[str]:
        """Counts above their limits."""
        for found, most, what in (
            (self.entries, MOST_ENTRIES, "methods with different settings"),
            (self.tables, MOST_TABLES, "leaderboards"),
            (self.rows, MOST_ROWS, "rows of leaderboards"),
            (self.datasets, MOST_DATASETS, "datasets"),
        ):
            if len(found) > most:
                yield f"its runs are of {len(found)} {what}; at most {most} are allowed, so make several submissions"


def _long_texts(record: RunRecord) -> Iterator[str]:
    """Texts of a record that are too long for a page."""
    spec = record.spec
    size = len(canonical_json([spec.config, spec.recipe]))
    if size > LONGEST_SETTINGS:
        yield f"its settings have {size} characters; at most {LONGEST_SETTINGS} are allowed"
    made = record.provenance.model_dump(mode="json", exclude={"support_digests", "true_labels"})
    learned = [getattr(spec, axis.name) for axis in AXES if axis.part is not Part.RUN]
    facts = [made, *learned, [score.selected_on_test for score in record.scores]]
    longest = max(map(len, _texts(facts)), default=0)
    if longest > LONGEST_FACT:
        yield f"a text of its record has {longest} characters; at most {LONGEST_FACT} are allowed"


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _texts([*value, *value.values()])
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


@dataclass
class _Findings:
    """Findings on the runs of one submission, collected batch by batch."""

    data: DataChecks
    runs: list[RunFacts] = field(default_factory=list)
    methods: set[str] = field(default_factory=set)
    differences: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    problems: list[str] = field(default_factory=list)
    counts: _Counts = field(default_factory=_Counts)
    levels: Counter[Level] = field(default_factory=Counter)
    unchecked: Counter[str] = field(default_factory=Counter)
    unknown: set[str] = field(default_factory=set)
    failed: int = 0
    published: int = 0

    def add(self, shards: Sequence[Shard]) -> None:
        loads = unloadable_runs(shards)
        for shard in shards:
            what = f"run {shard.record.run_id} ({shard.record.spec.label()})"
            problems = [*([loads[shard.record.run_id]] if shard.record.run_id in loads else []), *self._run(shard)]
            self.problems += [harmless(f"{what}: {text}") for text in problems]

    def _run(self, shard: Shard) -> Iterator[str]:
        record = shard.record
        self.methods.add(record.spec.method)
        self.counts.add(record)
        yield from _long_texts(record)
        if wrong := contradiction(record, shard.predictions):
            yield wrong
        if record.spec.fold is not None:
            yield "it scores held-out training images and not the test images"
        if wrong or record.spec.fold is not None:
            return
        if record.status is RunStatus.FAILED:
            self.failed += 1
            return
        data = self.data.check(shard)
        self.levels[data.level] += 1
        yield from data.problems
        if data.reason:
            self.unchecked[data.reason] += 1
        if (oracle := _wrong_oracle(record)) is not None:
            yield oracle
        differences = _differences(record)
        if differences is None:
            self.unknown.add(record.spec.method)
        else:
            self.differences[record.spec.method].update(differences)
            self.published += not differences
        self.runs.append(run_facts(shard))

    def refusals(self) -> Iterator[str]:
        yield from shortened(self.problems)
        if not self.runs and not self.problems:
            yield "no run of the bundle was completed"

    def notes(self) -> Iterator[str]:
        if self.failed:
            yield f"{counted(self.failed, 'run')} failed and count for nothing"
        if self.unknown:
            yield f"not installed here, so that their runs cannot be recomputed: {', '.join(sorted(self.unknown))}"
        for reason, number in self.unchecked.most_common(3):
            yield f"data of {counted(number, 'run')} not checked: {reason}"
        alike: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for method, values in sorted(self.differences.items()):
            alike[tuple(sorted(values))].append(method)
        for changed, methods in alike.items():
            if changed:
                yield harmless(
                    f"not the published settings: {', '.join(changed[:6])} ({', '.join(shortened(methods))})"
                )

    def checked(self) -> Iterator[str]:
        total = len(self.runs)
        yield f"scores follow from the predictions: {total} of {counted(total, 'run')}"
        for level in Level:
            if self.levels[level]:
                yield f"{level}: {self.levels[level]} of {counted(total, 'run')}"
        yield f"published settings: {self.published} of {counted(total, 'run')}"


def _refused(submission: Submission, problems: Sequence[str]) -> OwnChecks:
    return OwnChecks(name=submission.name, digest=submission.digest, facts=submission.facts, refusals=tuple(problems))


def _sizes(bundle: OpenArchive, runs: int) -> Iterator[str]:
    if not runs:
        yield "the bundle holds no runs"
    if runs > MOST_RUNS:
        yield f"the bundle holds {runs} runs; at most {MOST_RUNS} are allowed"
    name, size = max(bundle.sizes.items(), key=lambda item: item[1], default=("", 0))
    if size > LARGEST_RUN:
        yield f"{name} in the bundle has {size} bytes; at most {LARGEST_RUN} are allowed"
    if (total := sum(bundle.sizes.values())) > LARGEST_TOTAL:
        yield f"the bundle unpacks to {total} bytes; at most {LARGEST_TOTAL} are allowed"


def _difficulties(bundle: OpenArchive) -> Iterator[str]:
    for name in bundle.names:
        if DIFFICULTY_FILE.fullmatch(name) and bundle.sizes[name] <= LARGEST_RUN:
            try:
                check_difficulty(name, bundle.read(name))
            except ShardError as error:
                yield f"{name} is not a difficulty record: {harmless(str(error))}"
