"""Titles of measures, difficulty axes, settings and sections, wherever the page shows them."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis import dataset_difficulty
from bench.spec import NOTHING_LEARNED, learned_texts, shots_text
from datasets_registry import EvalProtocol

SCORE_TITLES = {
    "base": "base classes",
    "new": "new classes",
    "open": "open score (H among all names)",
    "H": "H",
    "all": "accuracy",
}
"""Texts of the buttons that choose a measure."""


def score_title(measure: str) -> str:
    """The heading of a column or an axis of scores, with its unit."""
    return {"H": "H, %", "open": "Open score, %"}.get(measure, "Accuracy, %")


PHRASES = {"base": "base accuracy", "new": "new accuracy", "open": "open score", "H": "H", "all": "accuracy"}
"""Measures within a sentence."""

DIFFICULTY_TITLES = {
    "relative_transfer_difficulty": "Relative transfer difficulty",
    "relative_transfer_difficulty_macro_precision": "Relative transfer difficulty, macro precision",
    "zero_shot_accuracy": "Zero-shot accuracy",
    "chance": "Chance accuracy",
    "zero_shot_margin": "Zero-shot margin",
    "zero_shot_nll": "Zero-shot negative log-likelihood",
    "zero_shot_ece": "Zero-shot calibration error",
    "separability_pairwise": "Class separability, pairwise",
    "separability_prototype": "Class separability, prototypes",
    "intra_cosine": "Cosine within classes",
    "inter_cosine": "Cosine between classes",
    "text_distance_mean": "Class text distance, mean",
    "text_distance_nearest": "Class text distance, nearest",
    "domain_distance": "Domain distance, images to texts",
}
"""Difficulty measures in the order in which a dataset's page lists them."""


@dataclass(frozen=True)
class DifficultyAxis:
    """A property of datasets that can be an x axis."""

    name: str
    title: str


DIFFICULTY_AXES = (
    DifficultyAxis(dataset_difficulty.RTD, "Transfer difficulty"),
    DifficultyAxis("zero_shot_error", "Zero-shot error"),
    DifficultyAxis("chance", "1 / number of classes"),
    *(
        DifficultyAxis(name, DIFFICULTY_TITLES[name])
        for name in dataset_difficulty.AXES
        if name != dataset_difficulty.RTD
    ),
)
"""The x axes of the first chart; the first with values is shown first."""


def protocol_title(protocol: str, source: str = "") -> str:
    """A protocol, with the title of the source dataset of a transfer protocol."""
    if protocol == EvalProtocol.TEST_TIME:
        return "Test-time adaptation"
    return f"{protocol.capitalize()} from {source}" if source else protocol.capitalize()


def setting_title(protocol: str, shots: int, source: str = "", learned: Sequence[str] = NOTHING_LEARNED) -> str:
    """Protocol, source, shots and what else the methods learn from. Test-time adaptation has no shots."""
    if protocol == EvalProtocol.TEST_TIME:
        return protocol_title(protocol)
    return ", ".join([protocol_title(protocol, source), shots_text(shots), *learned_texts(learned)])


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Args:
        parts: names of what it shows (`reports.parts`, and `sections/NAME.html.j2` if there is one), in order.
    """

    name: str
    title: str
    parts: tuple[str, ...]


SECTIONS = (
    Section("leaderboard", "All scores", ("leaderboard", "head_to_head")),
    Section("cost", "Cost", ("cost",)),
    Section("claims", "Claims", ("claims",)),
    Section("changes", "What changed", ("error_analysis",)),
    Section("papers", "Papers", ("published",)),
    Section("about", "About", ("runs",)),
)
PART_TITLES = {
    "head_to_head": "Head to head",
    "error_analysis": "Error analysis",
    "published": "Published and ours",
    "runs": "Runs",
}
"""Titles of the parts within a section; the first part has that of its section, if it has its name."""

PUBLISHED_SECTIONS = (
    Section("published_boards", "All scores", ("published_boards",)),
    Section("published_sources", "Sources", ("published_sources",)),
)
"""Sections of the page of published numbers."""
