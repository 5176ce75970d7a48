"""The content of pages: results of `bench.analysis` and `bench.papers`, with what only a page has.

A view holds a result as it is, and the catalogue in which its parts look up the titles of methods and datasets.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.analysis import (
    CostPoint,
    Estimate,
    HConvention,
    Leaderboard,
    ScoreTable,
    Verdict,
    best_method,
    error_analysis,
)
from bench.papers import (
    Catalogue,
    ClaimResult,
    DatasetFacts,
    PrintedNumber,
    PublishedBoard,
    ReproductionRow,
)
from bench.spec import ExperimentSpec
from reports.parts.part import Part
from reports.titles import DifficultyAxis, protocol_title, setting_title


@dataclass(frozen=True)
class BoardView:
    """One leaderboard with its sections.

    Args:
        anchor: unique on the page, usable in an id.
        datasets: those of the board in its order, with their difficulty, images and overlap with pretraining data.
        verdicts: by measure.
        exports: text of the table by format, to copy.
        calibration: ECE and NLL by entry and split; empty without stored predictions.
        marks: badges of an entry (class, text, explanation) in place of the one for imported runs, by key.
        unmarked: what a row without such a mark is, in place of a badge for imported runs.
        differing: names of the settings of an entry that are not the published ones, by key, of installed methods.
        settings_file: beside the page, with all settings; the page then lists the recipe's name and the differing ones.
    """

    anchor: str
    board: Leaderboard
    catalogue: Catalogue
    datasets: tuple[DatasetFacts, ...]
    verdicts: Mapping[str, Verdict]
    exports: Mapping[str, str]
    costs: tuple[CostPoint, ...] = ()
    calibration: Mapping[tuple[str, str], Mapping[str, Estimate]] = field(default_factory=dict)
    marks: Mapping[str, Sequence[Sequence[str]]] = field(default_factory=dict)
    unmarked: str = ""
    differing: Mapping[str, frozenset[str]] = field(default_factory=dict)
    settings_file: str = ""

    @property
    def verdict(self) -> Verdict:
        """The verdict by the measure that orders the board."""
        return self.verdicts[self.board.measures[-1]]

    @property
    def heading(self) -> str:
        """Protocol, source, shots and what else the methods learn from."""
        setting = self.board.setting
        return setting_title(setting.protocol, setting.shots, self._source_title, setting.learned)

    @property
    def protocol_title(self) -> str:
        """Protocol and source, if any."""
        return protocol_title(self.board.setting.protocol, self._source_title)

    @property
    def _source_title(self) -> str:
        return self.dataset_title(self.board.setting.source) if self.board.setting.source else ""

    @property
    def numbers(self) -> Mapping[str, int]:
        """The place of each entry on the board by key, by which the page's data refers to it."""
        return {entry.key: number for number, entry in enumerate(self.board.entries)}

    def entry_name(self, key: str) -> str:
        """Title of an entry with the settings that distinguish it; the key of an unknown one."""
        titled = next((entry for entry in self.board.entries if entry.key == key), None)
        return key if titled is None else self.catalogue.entry_title(titled.method, titled.label)

    def dataset_title(self, name: str) -> str:
        """Title of a dataset by its name."""
        return self.catalogue.dataset(name).title


@dataclass(frozen=True)
class PublishedBoardView:
    """One board of published numbers; `anchor` is unique on the page."""

    anchor: str
    board: PublishedBoard
    catalogue: Catalogue

    @property
    def datasets(self) -> tuple[DatasetFacts, ...]:
        """The datasets of the board in its order."""
        return tuple(self.catalogue.dataset(name) for name in self.board.datasets)

    @property
    def heading(self) -> str:
        """Protocol and shots."""
        return setting_title(self.board.protocol, self.board.shots)

    @property
    def protocol_title(self) -> str:
        """The protocol."""
        return protocol_title(self.board.protocol)


AnyBoardView = BoardView | PublishedBoardView


@dataclass(frozen=True)
class DemoSettings:
    """A board whose methods trained with the recipe `demo`: images per class, and test images of all datasets.

    `shots` is `ALL_SHOTS` for all training images. `synthetic` says whether all datasets are synthetic.
    """

    shots: int
    images: int
    synthetic: bool


@dataclass(frozen=True)
class OverviewView:
    """The first screen of one setting.

    Args:
        anchor: of the setting on this page.
        board: the leaderboard; None for published numbers, which have one value each.
        names, families: of the methods by key.
        datasets: those of the table, with short titles and their numbers of classes.
        axes: the possible x axes of the chart; the first is shown.
        convention: how H is averaged over datasets; None without H.
        demo: None if a method was trained as published.
        uses: what a method sees besides the labelled images, by key; the name of a published one has it in brackets.
        other_scope: anchor of the same setting with all its datasets or, if `whole`, of the setting that compares the
            common runs; None for a setting that is shown once.
        own: whether code and predictions of others are left out.
    """

    anchor: str
    setting: str
    backbone: str
    board: Leaderboard | None
    catalogue: Catalogue
    table: ScoreTable
    answers: Mapping[str, best_method.Answer]
    names: Mapping[str, str]
    families: Mapping[str, str]
    datasets: tuple[DatasetFacts, ...]
    axes: tuple[DifficultyAxis, ...]
    convention: HConvention | None
    demo: DemoSettings | None = None
    other_scope: str | None = None
    whole: bool = False
    own: bool = False
    uses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that are compared; empty for published numbers."""
        return () if self.board is None else self.board.seeds

    @property
    def n_runs(self) -> int:
        """Number of runs that count; 0 for published numbers."""
        return 0 if self.board is None else self.board.n_runs

    @property
    def groups(self) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        """Names of the easy, medium and hard datasets by the last measure."""
        return self.answers[self.table.measures[-1]].by_difficulty

    @property
    def has_missing(self) -> bool:
        """Whether runs are missing or failed."""
        return self.board is not None and bool(self.board.missing)

    def title(self, dataset: str) -> str:
        """Short title of a dataset of the table."""
        return next(facts.title for facts in self.datasets if facts.name == dataset)


@dataclass(frozen=True)
class ClassListView:
    """The classes of one dataset and split, and the errors of all runs on it.

    Args:
        key: unique within its backbone; usable in an id.
        names: class names in label order.
        images: the images that most runs misclassify, hardest first.
        moved: images that most runs fix or break against zero-shot.
        pictures: a thumbnail of each of `images` and `moved` as a data URI, None if it is not available.
    """

    key: str
    backbone: str
    dataset: str
    split: str
    names: tuple[str, ...]
    n_images: int
    n_runs: int
    images: tuple[error_analysis.HardImage, ...]
    moved: tuple[error_analysis.MovedImage, ...]
    pictures: tuple[str | None, ...]

    def name(self, label: int) -> str:
        """Name of a class, or its number if names are unknown."""
        return self.names[label] if label < len(self.names) else f"class {label}"


@dataclass(frozen=True)
class ErrorAnalysisView:
    """Class lists of the page, and errors of entries.

    Args:
        cells: by anchor of the board, and by key of the entry and of the class list.
        changes: likewise, against zero-shot.
        seeds: of the runs by id.
    """

    lists: tuple[ClassListView, ...] = ()
    cells: Mapping[str, Mapping[tuple[str, str], error_analysis.EntryErrors]] = field(default_factory=dict)
    changes: Mapping[str, Mapping[tuple[str, str], error_analysis.Changes]] = field(default_factory=dict)
    seeds: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class UnfinishedView:
    """A sweep with missing runs.

    Args:
        counts: sentence with the number of finished runs.
        missing: sentence with the missing runs by method and dataset.
        command: command that completes the sweep.
        specs: of the missing runs.
    """

    counts: str
    missing: str
    command: str
    specs: tuple[ExperimentSpec, ...] = ()


@dataclass(frozen=True)
class AddedPart:
    """What a page shows at the start of a section, beside the parts of every page.

    Args:
        name: its anchor.
        title: its heading.
        section: the name of one of `reports.titles.SECTIONS`, or `PUBLISHED_SECTIONS`.
    """

    name: str
    title: str
    section: str
    parts: Sequence[Part]


@dataclass(frozen=True)
class SiteView:
    """One page: of runs (`boards`), or of published numbers (`published_boards`).

    Args:
        overviews: the first screen of every board, in their order.
        newest_run: date and time of the newest run as text, like `generated_at`; None without runs.
        facts: provenance lines (name, text).
        claims: one result for each claim and setting, in the order of the claims.
        reproduction: printed numbers beside ours; None for a page without published numbers.
        unmatched: key and method of the entries without published numbers.
        unfinished: sweeps with missing runs, newest first.
        sources: the numbers of each table of the published boards, by the number of the table.
        public: whether the title is the heading as well, and only the mark of repeated runs is green.
    """

    title: str
    package_version: str
    generated_at: str
    catalogue: Catalogue = field(default_factory=Catalogue)
    newest_run: str | None = None
    n_runs: int = 0
    boards: tuple[BoardView, ...] = ()
    overviews: tuple[OverviewView, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    claims: tuple[ClaimResult, ...] = ()
    reproduction: tuple[ReproductionRow, ...] | None = None
    unmatched: tuple[tuple[str, str], ...] = ()
    error_analysis: ErrorAnalysisView = field(default_factory=ErrorAnalysisView)
    published_boards: tuple[PublishedBoardView, ...] = ()
    sources: Mapping[int, Sequence[PrintedNumber]] = field(default_factory=dict)
    unfinished: tuple[UnfinishedView, ...] = ()
    added: tuple[AddedPart, ...] = ()
    public: bool = False

    @property
    def unmarked(self) -> str:
        """What a row without a mark is; empty for a page without marks."""
        return next((board.unmarked for board in self.boards if board.unmarked), "")
