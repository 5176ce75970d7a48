"""Checks a submission, in a maintainer's continuous integration and in `submit`."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from bench._util.words import counted
from bench.boards.submissions.data_checks import DataChecks, Level
from bench.boards.submissions.run_facts import RunFacts, run_facts
from bench.boards.submissions.submission import Submission, SubmissionFacts, open_submission
from bench.boards.submissions.suspicion import impossible_scores, seed_notes, shared_runs
from bench.bounds import printable
from bench.errors import BundleError, ShardError, SubmissionError
from bench.record import RunRecord, RunStatus
from bench.results import (
    DIFFICULTY_FILE,
    OpenBundle,
    Shard,
    bundle_runs,
    bundle_shard,
    changed_settings,
    check_difficulty,
    contradictions,
    known_methods,
    open_bundle,
    unloadable_runs,
)
from bench.spec import PUBLISHED_RECIPES
from datasets_registry import UnknownNameError
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
    settings: dict[str, list[str]] = {}
    runs: tuple[RunFacts, ...] = ()
    root: str = ""


class SubmissionReport(BaseModel):
    """The whole result for one submission, including comparisons with earlier submissions.

    Args:
        accepted: whether a board can take it.
        refusals, notes: of `own` and of the comparison with other submissions.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    accepted: bool
    refusals: tuple[str, ...]
    notes: tuple[str, ...]
    own: OwnChecks


def shortened(problems: Iterable[str]) -> list[str]:
    """The first problems, and how many more there are."""
    listed = list(problems)
    more = len(listed) - _SHOWN
    return [*listed[:_SHOWN], f"and {more} more of this kind"] if more > 0 else listed


def harmless(text: str) -> str:
    """One line of at most 1,000 characters without control characters and markup, for terminals and pages."""
    return printable(text)[:1000].replace("<", "‹").replace(">", "›")


class SettingsChecks:
    """Facts of the methods that are installed with the board."""

    def facts(self, method: str) -> MethodFacts | None:
        """The facts of a method, None if it is not installed here."""
        try:
            return known_methods().get(method)
        except UnknownNameError:
            return None

    def oracle_settings(self, method: str) -> Mapping[str, Any]:
        """Settings with which the method chooses on test labels; empty for one that is not installed."""
        facts = self.facts(method)
        rule = None if facts is None else selection_rules(facts).get(Selection.ORACLE)
        return {} if rule is None or rule.by_epoch else rule.settings

    def differences(self, record: RunRecord) -> tuple[str, ...] | None:
        """Settings that differ from the published settings, as `name=value`; None if the method is not installed."""
        spec = record.spec
        facts = self.facts(spec.method)
        if facts is None:
            return None
        published = facts.settled(spec.protocol).values
        found = [f"{key}={spec.config[key]}" for key in changed_settings(spec.config, published)]
        name = None if spec.recipe is None else spec.recipe.get("name")
        if name not in (None, *PUBLISHED_RECIPES):
            found.append(f"recipe {name}")
        if spec.epoch_selection is not None:
            found.append(f"epoch selection {spec.epoch_selection}")
        if spec.held_out_shot:
            found.append("selection hoso")
        return tuple(found)

    def hidden_oracle(self, record: RunRecord) -> str | None:
        """The reason why an unmarked run must be marked as an oracle; None if it need not be or is marked."""
        spec = record.spec
        if all(score.selected_on_test for score in record.scores):
            return None
        if spec.epoch_selection == "oracle":
            return "its epoch was selected on test labels, but its scores do not say so"
        settings = self.oracle_settings(spec.method)
        if settings and all(spec.config.get(key) == value for key, value in settings.items()):
            return "its settings select on test labels, but its scores do not say so"
        return None


MOST_RUNS = 20_000
"""Most runs of one submission."""
LARGEST_RUN = 64 * 2**20
"""Largest file of one run, in bytes; predictions of all 50,000 images of ImageNet take about 5 MiB."""
LARGEST_TOTAL = 8 * 2**30
"""Most bytes that a bundle may unpack to."""
_BATCH = 200
_CLOCK = timedelta(days=1)


@dataclass
class Checks:
    """Shared data of the checks of several submissions: the board's data and the facts of methods, read once."""

    data: DataChecks
    settings: SettingsChecks = field(default_factory=SettingsChecks)

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

    def _runs(self, submission: Submission, bundle: OpenBundle) -> OwnChecks:
        path = submission.bundle
        run_ids = bundle_runs(bundle, path)
        if problems := [*_sizes(bundle, len(run_ids)), *_difficulties(bundle)]:
            return _refused(submission, problems)
        found = _Findings(self)
        for start in range(0, len(run_ids), _BATCH):
            found.add([bundle_shard(run_id, bundle, path) for run_id in run_ids[start : start + _BATCH]])
        missing = sorted(method for method in found.methods if f"\n## {method}\n" not in f"\n{submission.cards}")
        return OwnChecks(
            name=submission.name,
            digest=submission.digest,
            facts=submission.facts,
            refusals=(
                *found.refusals(),
                *([f"methods.md has no card of {', '.join(missing)}"] if missing else []),
                *shortened(impossible_scores(found.runs)),
            ),
            notes=(*found.notes(), *seed_notes(found.runs)),
            checked=tuple(found.checked()),
            settings={method: sorted(values) for method, values in sorted(found.differences.items())},
            runs=tuple(found.runs),
            root=bundle.root,
        )


def compare_with_earlier(own: OwnChecks, earlier: Sequence[OwnChecks], *, newcomer: bool = False) -> SubmissionReport:
    """The report of a submission, compared with the accepted submissions before it.

    Args:
        newcomer: whether the others are on the board already, whatever time it states. It may then not claim to be
            earlier than a submission that has one of its runs.
    """
    before = {other.name: other.runs for other in earlier if other.name != own.name}
    refusals, notes = [*own.refusals], [*own.notes]
    if own.facts is not None and own.facts.submitted > datetime.now(UTC) + _CLOCK:
        refusals.append(f"it states a time of submission in the future, {own.facts.submitted:%Y-%m-%d %H:%M} UTC")
    if own.runs:
        pool = [(name, run) for name, runs in before.items() for run in runs]
        alone = set(impossible_scores(own.runs)) if pool else set()
        refusals += shortened(text for text in impossible_scores(own.runs, pool) if text not in alone)
        known = {run.run_id for runs in before.values() for run in runs}
        mine = {run.run_id for run in own.runs}
        if mine <= known:
            refusals.append("all of its runs are on the board already, so it adds nothing")
        if newcomer:
            refusals += _out_of_turn(own, mine, earlier)
        notes += shortened(shared_runs(own.runs, before))
    return SubmissionReport(name=own.name, accepted=not refusals, refusals=tuple(refusals), notes=tuple(notes), own=own)


def _out_of_turn(own: OwnChecks, mine: set[str], earlier: Sequence[OwnChecks]) -> Iterator[str]:
    for other in earlier:
        shares = other.name != own.name and not mine.isdisjoint(run.run_id for run in other.runs)
        if shares and own.facts and other.facts and own.facts.submitted <= other.facts.submitted:
            yield (
                f"it shares runs with {other.name}, which is on the board, and states an earlier time; prepare it "
                "again with `etl-bench board submit`"
            )
            return


def in_order(submissions: Sequence[OwnChecks]) -> list[OwnChecks]:
    """Submissions in the order in which they count: by the time of submission, then by name."""
    late = datetime.max.replace(tzinfo=UTC)
    return sorted(submissions, key=lambda own: (own.facts.submitted if own.facts else late, own.name))


def reports(submissions: Sequence[OwnChecks]) -> list[SubmissionReport]:
    """The reports of all submissions of a board; each is compared with the accepted submissions before it."""
    found: list[SubmissionReport] = []
    for own in in_order(submissions):
        found.append(compare_with_earlier(own, [report.own for report in found if report.accepted]))
    return found


@dataclass
class _Findings:
    """Findings on the runs of one submission, collected batch by batch."""

    checks: Checks
    runs: list[RunFacts] = field(default_factory=list)
    methods: set[str] = field(default_factory=set)
    differences: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    problems: list[str] = field(default_factory=list)
    levels: Counter[Level] = field(default_factory=Counter)
    unchecked: Counter[str] = field(default_factory=Counter)
    unknown: set[str] = field(default_factory=set)
    failed: int = 0
    other_settings: int = 0

    def add(self, shards: Sequence[Shard]) -> None:
        loads = unloadable_runs(shards)
        for shard in shards:
            what = f"run {shard.record.run_id} ({shard.record.spec.label()})"
            problems = [*([loads[shard.record.run_id]] if shard.record.run_id in loads else []), *self._run(shard)]
            self.problems += [harmless(f"{what}: {text}") for text in problems]

    def _run(self, shard: Shard) -> Iterator[str]:
        record = shard.record
        self.methods.add(record.spec.method)
        wrong = contradictions(record, shard.predictions)
        yield from wrong
        if record.spec.fold is not None:
            yield "it scores held-out training images and not the test images"
        if wrong or record.spec.fold is not None:
            return
        if record.status is RunStatus.FAILED:
            self.failed += 1
            return
        data = self.checks.data.check(shard)
        self.levels[data.level] += 1
        yield from data.problems
        if data.reason:
            self.unchecked[data.reason] += 1
        if (hidden := self.checks.settings.hidden_oracle(record)) is not None:
            yield hidden
        differences = self.checks.settings.differences(record)
        if differences is None:
            self.unknown.add(record.spec.method)
        else:
            self.differences[record.spec.method].update(differences)
            self.other_settings += bool(differences)
        self.runs.append(run_facts(shard, self.checks.settings.oracle_settings(record.spec.method)))

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
                yield f"not the published settings: {', '.join(changed[:6])} ({', '.join(methods)})"

    def checked(self) -> Iterator[str]:
        total = len(self.runs)
        yield f"scores follow from the predictions: {total} of {counted(total, 'run')}"
        for level in Level:
            if self.levels[level]:
                yield f"{level}: {self.levels[level]} of {counted(total, 'run')}"
        yield f"published settings: {total - self.other_settings} of {counted(total, 'run')}"


def _refused(submission: Submission, problems: Sequence[str]) -> OwnChecks:
    return OwnChecks(name=submission.name, digest=submission.digest, facts=submission.facts, refusals=tuple(problems))


def _sizes(bundle: OpenBundle, runs: int) -> Iterator[str]:
    if not runs:
        yield "the bundle holds no runs"
    if runs > MOST_RUNS:
        yield f"the bundle holds {runs} runs; at most {MOST_RUNS} are allowed"
    name, size = max(bundle.sizes.items(), key=lambda item: item[1], default=("", 0))
    if size > LARGEST_RUN:
        yield f"{name} in the bundle has {size} bytes; at most {LARGEST_RUN} are allowed"
    if (total := sum(bundle.sizes.values())) > LARGEST_TOTAL:
        yield f"the bundle unpacks to {total} bytes; at most {LARGEST_TOTAL} are allowed"


def _difficulties(bundle: OpenBundle) -> Iterator[str]:
    for name in bundle.names:
        if DIFFICULTY_FILE.fullmatch(name) and bundle.sizes[name] <= LARGEST_RUN:
            try:
                check_difficulty(name, bundle.read(name))
            except ShardError as error:
                yield f"{name} is not a difficulty record: {harmless(str(error))}"
