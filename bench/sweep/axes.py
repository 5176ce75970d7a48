"""The axes of a sweep, the names that patterns select, and checks of the axes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.errors import UsageError
from bench.sweep.request import RecipeChoice
from datasets_registry import DATASETS, DrawRule, EvalProtocol, get_dataset

IMAGENET_VARIANTS = ("imagenet_v2", "imagenet_sketch", "imagenet_a", "imagenet_r")
"""Default targets of domain generalization."""


@dataclass(frozen=True)
class Axes:
    """The axes of a sweep. Every combination is a run. They hold what the options of `SweepRequest` of that name hold.

    Args:
        datasets: names (with options, such as `spectrum:shift=0.5`), patterns or `all`.
        targets: test datasets, for the protocols that train on a source; `datasets` are then the sources. The source
            is never its own target. Default for domain generalization: ImageNet's four variants.
        supports: support lists (`datasets_registry/_draws/manifest.py`) that replace the draw. A list that names its
            dataset and seed is run for these; any other needs a single dataset and is run with each of `seeds`. The
            list decides the shots.
        selection: how hyper-parameters or the epoch are chosen (`methods.Selection`); None for each method's default.
            Where the selection rule is also a method setting, both spellings are the same run. Zero-shot selects
            nothing.
    """

    methods: Sequence[str]
    datasets: Sequence[str]
    backbones: Sequence[str]
    protocol: EvalProtocol = EvalProtocol.BASE_TO_NEW
    shots: Sequence[int] = (16,)
    seeds: Sequence[int] = (1, 2, 3)
    draw: DrawRule = DrawRule.COOP
    recipe: RecipeChoice = RecipeChoice.PUBLISHED
    overrides: Sequence[str] = ()
    targets: Sequence[str] = ()
    supports: Sequence[Path] = ()
    class_text: str | None = None
    selection: str | None = None
    precision: str = "fp32"


def check_axes(axes: Axes) -> None:
    """Raise UsageError for axes that are empty, repeat a value, or exclude each other."""
    for name in ("methods", "datasets", "backbones", "shots", "seeds"):
        values = list(getattr(axes, name))
        if not values:
            raise UsageError(f"No {name} were given; name at least one.")
        if len(set(values)) != len(values):
            raise UsageError(f"The {name} {', '.join(map(str, values))} hold the same value twice; give each once.")
    if min(axes.shots) < 1:
        raise UsageError(f"--shots {min(axes.shots)} is not at least 1; a zero-shot method needs no shots at all.")
    if axes.draw is DrawRule.FILE:
        raise UsageError("--draw file needs the list: write --draw file:PATH, or --support PATH.")
    if axes.targets and not axes.protocol.transfers:
        raise UsageError(
            f"--targets {','.join(axes.targets)} has no effect with {axes.protocol}, which evaluates the dataset that "
            f"it trains on; use --protocol {EvalProtocol.CROSS_DATASET} or {EvalProtocol.DOMAIN_GENERALIZATION}."
        )
    if axes.protocol is EvalProtocol.CROSS_DATASET and not axes.targets:
        raise UsageError(f"Protocol {axes.protocol} needs --targets, the test datasets, such as --targets eurosat,dtd.")
    if len(set(axes.targets)) != len(axes.targets):
        raise UsageError(f"--targets {','.join(axes.targets)} names one twice; give each once.")
    if min(axes.seeds) < 0:
        raise UsageError(f"--seeds {min(axes.seeds)} is negative; seeds are whole numbers from 0.")


def select(patterns: Sequence[str], match: Callable[[str], Sequence[str]]) -> dict[str, bool]:
    """Names that the patterns select, in order, each with whether a pattern was exactly this name."""
    found: dict[str, bool] = {}
    for pattern in patterns:
        for name in match(pattern):
            found[name] = found.get(name, False) or pattern == name
    return found


def match_datasets(pattern: str) -> list[str]:
    """Names of the datasets that a pattern selects. A name with options stands for itself."""
    return [get_dataset(pattern).name] if ":" in pattern else DATASETS.match(pattern)


def selected_datasets(axes: Axes) -> dict[str, bool]:
    """The datasets of the axes, in order, each with whether it was requested by name."""
    return select(axes.datasets, match_datasets)
