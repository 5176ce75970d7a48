"""What a sweep is asked to cover: the axes, what a selection on the command line means, and which axes are refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.errors import UsageError
from bench.sweep.request import RecipeChoice
from datasets_registry import DATASETS, DrawRule, EvalProtocol, get_dataset

IMAGENET_VARIANTS = ("imagenet_v2", "imagenet_sketch", "imagenet_a", "imagenet_r")
"""What domain generalization scores on, unless told otherwise."""


@dataclass(frozen=True)
class Axes:
    """What a sweep is asked to cover; every combination of the axes is a run.

    Args:
        methods: names, shell-style patterns or `all`.
        datasets: names (with options for dials), patterns or `all`.
        backbones: slugs `arch.tag`, or `ARCH=FILE` for local weights.
        protocol: how methods are trained and scored.
        shots: images a class.
        seeds: of draw and training.
        draw: which rule picks the shots.
        recipe: published settings, or the demo's.
        overrides: `method.key=value` texts.
        targets: datasets to score on, for the protocols that train on a source; `datasets` are the sources then. The
            source itself is left out. Domain generalization without any takes ImageNet's four variants.
        supports: support lists (`datasets_registry/_draws/manifest.py`) in place of a draw. One that names its dataset
            and seed is run for them; others need a single dataset and are run with each of `seeds`. Shots are the
            list's.
        class_text: where class texts come from (`methods/_text/class_text.py`); None for the datasets' own templates.
        selection: what decides about hyper-parameters or the epoch (`methods._base.selection.Selection`); None leaves
            each method its own. Where a method has a setting for it, a run asked for in both ways is one run. Zero-shot
            has nothing to select.
        precision: arithmetic of the frozen towers (`methods/_backbones/precision.py`).
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
    """Raise UsageError for axes that are empty, hold a value twice, or do not go together."""
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
            f"--targets {','.join(axes.targets)} means nothing for {axes.protocol}, which scores the dataset it trains "
            f"on; use --protocol {EvalProtocol.CROSS_DATASET} or {EvalProtocol.DOMAIN_GENERALIZATION}."
        )
    if axes.protocol is EvalProtocol.CROSS_DATASET and not axes.targets:
        raise UsageError(
            f"Protocol {axes.protocol} needs --targets: the datasets to score on, such as --targets eurosat,dtd."
        )
    if len(set(axes.targets)) != len(axes.targets):
        raise UsageError(f"--targets {','.join(axes.targets)} names one twice; give each once.")
    if min(axes.seeds) < 0:
        raise UsageError(f"--seeds {min(axes.seeds)} is negative; seeds are whole numbers from 0.")


def select(patterns: Sequence[str], match: Callable[[str], Sequence[str]]) -> dict[str, bool]:
    """Names that the patterns select, in order, each with whether some pattern was that very name."""
    found: dict[str, bool] = {}
    for pattern in patterns:
        for name in match(pattern):
            found[name] = found.get(name, False) or pattern == name
    return found


def match_datasets(pattern: str) -> list[str]:
    """Names of the datasets that a pattern selects; a dial with options is itself."""
    return [get_dataset(pattern).name] if ":" in pattern else DATASETS.match(pattern)


def selected_datasets(axes: Axes) -> dict[str, bool]:
    """The datasets of the axes, in order, each with whether it was asked for by name."""
    return select(axes.datasets, match_datasets)
