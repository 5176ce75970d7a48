"""Checks submissions, in a maintainer's continuous integration and in `submit`, and collects their runs."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from bench._util.words import counted
from bench.bounds import printable
from bench.errors import BundleError
from bench.experiment import KnownLabels
from bench.extensions.boards.data_checks import DataChecks, Level
from bench.extensions.boards.errors import BoardError
from bench.extensions.boards.repeated_runs import REPRODUCED, read_repeated
from bench.extensions.boards.submission import SubmissionFacts, open_submission
from bench.record import RunRecord, RunStatus
from bench.results import Bundle, Shard, Shards, changed_recipe, import_bundle, known_methods, open_bundle
from bench.spec import AXES, EXTERNAL, LEARNED, PUBLISHED_RECIPES, Part, external_parts
from datasets_registry import UnknownNameError, canonical_json, has_imported_features, some
from methods import MethodFacts, Precision, selection_rules

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
LONGEST_RECORD = 40_000
"""Most characters of the settings and the other texts of a run."""
KNOWN_WEIGHTS = {"ViT-demo.drawn": "d21dff4958a03cb9ea0454c40663921e"}
"""Digests of weights by backbone: those of the included one."""
FIRST_CODE = datetime(2026, 11, 24, tzinfo=UTC)
"""When the first version of this project was written; no run of it is older."""
_COMPUTES = {"cpu": ("fp32", "bf16"), "mps": ("fp32",), "cuda": tuple(Precision)}
"""Precisions that a run can have, by the kind of its device."""
_CLOCK = timedelta(days=1)
"""How far clocks may differ."""


@dataclass
class SubmissionReport:
    """The result of the checks of one submission, filled run by run.

    Args:
        name: of the submission.
        digest: names its content; empty if it could not be opened, and then `facts` is None.
        refusals: why it cannot be accepted, one sentence each. A refused submission has no other results.
        methods: the method of each of its runs, by run id.
        added: ids of the runs that no earlier submission of the board has.
        data: number of runs by how far their data were compared.
        unchecked: number of runs by the reason why their data were not compared.
        published: number of runs with published settings.
        changed: settings that are not the published ones, by method.
        not_installed: methods whose settings are unknown here.
        tables: the leaderboards that its runs are on, and `rows` their rows there.
        repeated: outcome of each run that was repeated here.
    """

    name: str
    digest: str = ""
    facts: SubmissionFacts | None = None
    refusals: tuple[str, ...] = ()
    methods: dict[str, str] = field(default_factory=dict)
    added: tuple[str, ...] = ()
    data: Counter[Level] = field(default_factory=Counter)
    unchecked: Counter[str] = field(default_factory=Counter)
    published: int = 0
    changed: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    not_installed: set[str] = field(default_factory=set)
    tables: set[tuple[object, ...]] = field(default_factory=set)
    rows: set[tuple[object, ...]] = field(default_factory=set)
    repeated: Mapping[str, str] = field(default_factory=dict)

    @property
    def accepted(self) -> bool:
        """Whether a board can take it."""
        return not self.refusals

    @property
    def notes(self) -> list[str]:
        """What a reader should know, one sentence each."""
        notes = []
        if self.not_installed:
            methods = ", ".join(sorted(self.not_installed))
            notes.append(f"not installed here, so that their runs cannot be recomputed: {methods}")
        for reason, number in self.unchecked.most_common(3):
            notes.append(f"data of {counted(number, 'run')} not checked: {reason}")
        alike: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for method, values in sorted(self.changed.items()):
            alike[tuple(sorted(values))].append(method)
        for changed, methods_with in alike.items():
            if changed:
                notes.append(f"not the published settings: {', '.join(changed[:6])} ({some(methods_with, 5)})")
        return [harmless(note) for note in notes]

    @property
    def checked(self) -> list[str]:
        """What was checked, on how many runs; nothing of a refused submission."""
        if not self.methods:
            return []
        of_all = f"of {counted(len(self.methods), 'run')}"
        levels = [f"{level}: {self.data[level]} {of_all}" for level in Level if self.data[level]]
        scores = f"scores follow from the predictions: {len(self.methods)} {of_all}"
        return [scores, *levels, f"published settings: {self.published} {of_all}"]


def harmless(text: str) -> str:
    """One line of at most 1,000 characters without control characters and markup, for terminals and pages."""
    return printable(text)[:1000].replace("<", "‹").replace(">", "›")


class Checks:
    """Checks submissions one after the other, and collects the runs of those that it accepts.

    A run of several submissions is that of the first.

    Args:
        runs: folder that takes the runs of accepted submissions.
        data_root: folder of the datasets that the runs are compared with.
        repeated: folder with the outcomes of repeated runs.
    """

    def __init__(self, runs: Path, data_root: Path | None, repeated: Path | None = None) -> None:
        self._shards, self._repeated = Shards(runs), repeated
        self._data, self._labels, self._weights = DataChecks(data_root), KnownLabels(), dict(KNOWN_WEIGHTS)

    def add(self, folder: Path) -> SubmissionReport:
        """Check one submission, and take its runs if it is accepted. A refusal is a result and not an error."""
        try:
            submission = open_submission(folder)
        except BoardError as error:
            return SubmissionReport(harmless(folder.name)[:80], refusals=(harmless(str(error)),))
        name, digest, facts = submission.name, submission.digest, submission.facts
        outcomes = read_repeated(self._repeated, name, digest) if self._repeated is not None else {}
        report = SubmissionReport(name, digest, facts, repeated=outcomes)
        before = self._labels.copy(), dict(self._weights)
        try:
            with open_bundle(submission.bundle) as bundle:
                refusals = list(_early(facts, bundle, outcomes))
            if not refusals:
                problems = partial(self._problems, report, facts)
                report.added = import_bundle(self._shards, submission.bundle, problems).added
                refusals = [] if report.added else ["all of its runs are on the board already, so it adds nothing"]
        except BundleError as error:
            refusals = [str(error)]
        if refusals:
            self._labels, self._weights = before  # what it says counts for nothing
            return SubmissionReport(name, digest, facts, tuple(map(harmless, refusals)))
        for run_id in report.added:
            if outcomes.get(run_id) in REPRODUCED:
                self._shards.note_verified(run_id)
        return report

    def _problems(self, report: SubmissionReport, facts: SubmissionFacts, shard: Shard) -> Iterator[str]:
        """What is wrong with a run whose scores follow from its predictions; the report counts it."""
        record, spec = shard.record, shard.record.spec
        yield from _limits(report, record)
        if record.status is RunStatus.FAILED:
            yield "it failed, and a board takes completed runs"
            return
        if spec.fold is not None:
            yield "it scores held-out training images and not the test images"
        yield from self._impossible(record, facts.submitted)
        data = self._data.check(shard)
        yield from data.problems
        yield from self._labels.disagreements(shard)
        if (oracle := _wrong_oracle(record)) is not None:
            yield oracle
        self._labels.add(shard)
        report.methods[record.run_id] = spec.method
        report.data[data.level] += 1
        if data.reason:
            report.unchecked[data.reason] += 1
        differences = _differences(record)
        if differences is None:
            report.not_installed.add(spec.method)
        else:
            report.changed[spec.method].update(differences)
            report.published += not differences

    def _impossible(self, record: RunRecord, submitted: datetime) -> Iterator[str]:
        """Times, weights and arithmetic that no run can have."""
        spec, provenance, cost = record.spec, record.provenance, record.cost
        if record.created_at > submitted + _CLOCK:
            yield f"it states the time {record.created_at:%Y-%m-%d %H:%M} UTC, after that of the submission"
        seconds = 0.0 if cost is None else cost.prepare_seconds + cost.train_seconds + cost.eval_seconds
        if seconds > (record.created_at - FIRST_CODE + _CLOCK).total_seconds():
            ended = f"{record.created_at:%Y-%m-%d %H:%M} UTC after {seconds:.0f} s"
            yield f"it ended at {ended}, so it began before there was any code of this project"
        is_external = provenance.external is not None and spec.method.startswith(EXTERNAL)
        digest = provenance.backbone_digest
        if digest and digest != (weights := self._weights.setdefault(spec.backbone, digest)):
            digests = f"{digest[:12]}, and the known ones have {weights[:12]}"
            yield f"its weights of {spec.backbone} have the digest {digests}"
        if is_external:  # it need not state its weights, and states no arithmetic
            return
        if not digest:
            yield f"it states no digest of its weights of {spec.backbone}"
        tf32 = provenance.gpu is not None and provenance.gpu.tf32
        possible = _COMPUTES.get(provenance.device.partition(":")[0], ())
        if spec.precision not in possible or tf32 is not (spec.precision == "tf32"):
            yield f"it states the precision {spec.precision}, which its device {provenance.device} did not compute in"
        facts = _facts(spec.method)
        if spec.precision == "fp16" and facts and (facts.learns_text or facts.needs & {"pixels", "hidden"}):
            yield f"it states the precision fp16, in which {spec.method} cannot learn through a tower"
        if spec.precision != "fp32" and has_imported_features(spec.backbone):
            yield f"it states the precision {spec.precision}, and imported features are fixed"


def _early(facts: SubmissionFacts, bundle: Bundle, outcomes: Mapping[str, str]) -> Iterator[str]:
    """What refuses a submission before its runs are read."""
    if facts.submitted > datetime.now(UTC) + _CLOCK:
        yield f"it states a time of submission in the future, {facts.submitted:%Y-%m-%d %H:%M} UTC"
    if not bundle.run_ids:
        yield "the bundle holds no runs"
    if len(bundle.run_ids) > MOST_RUNS:
        yield f"the bundle holds {len(bundle.run_ids)} runs; at most {MOST_RUNS} are allowed"
    name, size = max(bundle.sizes.items(), key=lambda item: item[1], default=("", 0))
    if size > LARGEST_RUN:
        yield f"{name} in the bundle has {size} bytes; at most {LARGEST_RUN} are allowed"
    if (total := sum(bundle.sizes.values())) > LARGEST_TOTAL:
        yield f"the bundle unpacks to {total} bytes; at most {LARGEST_TOTAL} are allowed"
    if wrong := sorted(run_id for run_id, outcome in outcomes.items() if outcome == "invalid"):
        yield f"the repetition of run {wrong[0]} shows that it cannot come from its data"


def _limits(report: SubmissionReport, record: RunRecord) -> Iterator[str]:
    """Too much for a page."""
    spec = record.spec
    provenance = record.provenance.model_dump(mode="json", exclude={"support_digests", "true_labels"})
    size = len(canonical_json([spec.model_dump(mode="json"), provenance]))
    size += sum(len(str(score.selected_on_test)) for score in record.scores)
    if size > LONGEST_RECORD:
        yield f"its settings and texts have {size} characters; at most {LONGEST_RECORD} are allowed"
    rows = [getattr(spec, axis.name) for axis in AXES if axis.part is Part.ROW]
    settings = hashlib.sha256(canonical_json([spec.config, spec.recipe, *rows]).encode("utf-8", "backslashreplace"))
    learned = spec.shots, spec.draw, *(getattr(spec, axis.name) for axis in LEARNED)
    table = spec.backbone, spec.protocol, spec.precision, *learned
    report.tables.add(table)
    report.rows.add((*table, spec.method, settings.hexdigest()))
    for counts, most, what in ((report.rows, MOST_ROWS, "rows of"), (report.tables, MOST_TABLES, "different")):
        if len(counts) > most:
            yield f"the runs are of more than {most} {what} leaderboards; make several submissions"


def _facts(method: str) -> MethodFacts | None:
    """The facts of a method, None if it is not installed with the board."""
    try:
        return known_methods().get(method)
    except UnknownNameError:
        return None


def _differences(record: RunRecord) -> list[str] | None:
    """Settings that are not the published ones, as `name=value`; None if the method is not installed.

    The configuration and the recipe are compared by value with those that the method has for the run's protocol, shots
    and dataset. The name of a recipe alone proves nothing.
    """
    spec = record.spec
    facts = _facts(spec.method)
    if facts is None or external_parts(spec.method):
        return None
    published, differences = facts.settled(spec.protocol).values, []
    for key in sorted(spec.config.keys() | published.keys()):
        if key not in spec.config:
            differences.append(f"{key} is not stated")
        elif key not in published:
            differences.append(f"{key}={_brief(spec.config[key])}, which is no setting of the method")
        elif spec.config[key] != published[key]:
            differences.append(f"{key}={_brief(spec.config[key])}")
    recipe = spec.recipe or {}
    name = recipe.get("name")
    if spec.recipe is not None and name not in PUBLISHED_RECIPES:
        differences.append(f"recipe {_brief(name) if name else 'without a name'}")
    else:
        changed = changed_recipe(spec.method, spec.protocol, spec.shots, spec.dataset, spec.recipe)
        differences += [f"{key}={_brief(recipe.get(key.removeprefix('recipe.')))}" for key in changed]
    if spec.class_text is not None:
        differences.append(f"class texts {_brief(spec.class_text)}")
    if spec.epoch_selection is not None:
        differences.append(f"epoch selection {spec.epoch_selection}")
    if spec.held_out_shot:
        differences.append("selection hoso")
    return differences


def _wrong_oracle(record: RunRecord) -> str | None:
    """The contradiction of spec and scores on whether a run selects on test labels; None without one."""
    spec = record.spec
    facts = _facts(spec.method)
    rule = None if facts is None else selection_rules(facts).get("oracle")
    settings = {} if rule is None or rule.by_epoch else rule.settings
    chosen = bool(settings) and all(spec.config.get(key) == value for key, value in settings.items())
    if (chosen or spec.epoch_selection == "oracle") and not all(score.selected_on_test for score in record.scores):
        what = "settings select" if chosen else "epoch was selected"
        return f"its {what} on test labels, but its scores do not say so"
    stated = any(score.selected_on_test for score in record.all_scores)
    if facts is not None and stated and not chosen and spec.epoch_selection != "oracle":
        return "its scores state a selection on test labels, but its settings select nothing on them"
    return None


def _brief(value: object) -> str:
    """A value as text of about 60 characters at most."""
    text = str(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
