"""The datasets that the patterns of a sweep select, and the defaults that depend on them."""

from collections.abc import Callable, Sequence
from pathlib import Path

from bench.errors import UsageError
from datasets_registry import DATASETS, BenchError, DatasetInfo, EvalProtocol, custom_folders, get_dataset

SUGGESTED_BACKBONES = {
    "ViT-B-32.openai": "151 M parameters, 605 MB, the fastest",
    "ViT-B-16.openai": "150 M parameters, 599 MB, the one of most papers",
    "ViT-L-14.openai": "428 M parameters, 1.7 GB, the most accurate",
}
"""Backbones for real images, with the size of their fp32 weights, which open_clip downloads."""


def select_names(patterns: Sequence[str], match: Callable[[str], Sequence[str]]) -> dict[str, bool]:
    """Names that the patterns select, in order, each with whether one of them named it."""
    selected: dict[str, bool] = {}
    for pattern in patterns:
        for name in match(pattern):
            selected[name] = selected.get(name, False) or not (pattern == "all" or any(c in pattern for c in "*?["))
    return selected


def match_datasets(pattern: str) -> list[str]:
    """Names of the datasets that a pattern selects, such as `eurosat`, `spectrum_*` or `spectrum_*:test=10`."""
    names, colon, options = pattern.partition(":")
    if Path(names).suffix in (".toml", ".py"):
        raise UsageError(
            f"-d {pattern} is a file, and datasets are given by name: put NAME.toml into {custom_folders()[0]}, or let "
            "`etl-bench datasets add NAME --images FOLDER` write it."
        )
    if not colon:
        return DATASETS.match(pattern)
    return [get_dataset(f"{name}:{options}").name for name in DATASETS.match(names)]


def backbone_advice() -> str:
    """A sentence that suggests backbones, without a full stop."""
    return "Backbones: " + "; ".join(f"-b {slug} ({facts})" for slug, facts in SUGGESTED_BACKBONES.items())


def check_demo_backbone(patterns: Sequence[str], targets: Sequence[str], demo: str) -> None:
    """Raise UsageError if a selected dataset is not synthetic: the demo backbone must be chosen for it by name."""
    real = [info for info in [*_selected(patterns), *_selected(targets)] if not info.synthetic]
    if not real:
        return
    first = real[0]
    if first.backbone is not None:
        raise UsageError(
            f"Dataset {first.name!r} holds the features of one backbone, so -b is required: -b {first.backbone}."
        )
    more = f" and {len(real) - 1} more" if len(real) > 1 else ""
    raise UsageError(
        f"Dataset {first.name!r}{more} holds real images, but the default backbone {demo} was trained on synthetic "
        f"images, so -b is required. {backbone_advice()}; or a file, -b ARCH=FILE; to try commands out, -b {demo}."
    )


def default_protocol(patterns: Sequence[str], fallback: EvalProtocol) -> EvalProtocol:
    """`few-shot` if all selected datasets are a user's own images, else the fallback."""
    selected = _selected(patterns)
    return EvalProtocol.FEW_SHOT if selected and all(info.own_images for info in selected) else fallback


def _selected(patterns: Sequence[str]) -> list[DatasetInfo]:
    """The datasets that the patterns select, without unknown names, which the plan reports."""
    datasets: dict[str, DatasetInfo] = {}
    for pattern in patterns:
        try:
            datasets |= {name: get_dataset(name) for name in match_datasets(pattern)}
        except BenchError:
            continue
    return list(datasets.values())
