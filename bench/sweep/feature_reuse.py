"""The frozen features that the runs of a plan share; they are computed once."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.experiment.features import cache
from bench.spec import ExperimentSpec


@dataclass(frozen=True)
class SharedFeatures:
    """The frozen features of one backbone in a plan, with the number of its datasets.

    Of its `runs`, `readers` read frozen image or text features. `kept_bytes` of its features are in the cache, and
    `other_bytes` that another kind of device computed, which are not used.
    """

    backbone: str
    precision: str
    datasets: int
    readers: int
    runs: int
    kept_bytes: int
    other_bytes: int = 0


def shared_features(
    specs: Sequence[ExperimentSpec], cache_dir: Path | None, device: str = "cpu"
) -> list[SharedFeatures]:
    """Shared features by backbone and precision, in the order of the runs, for runs on that kind of device."""
    from methods import Needs, known_methods

    known = known_methods()
    kept = [] if cache_dir is None else cache.info(cache_dir)
    groups: dict[tuple[str, str], list[ExperimentSpec]] = {}
    for spec in specs:
        groups.setdefault((spec.backbone, spec.precision), []).append(spec)
    frozen = {Needs.FEATURES, Needs.POOLED, Needs.HIDDEN}
    return [
        SharedFeatures(
            backbone=backbone,
            precision=precision,
            datasets=len({name for spec in group for name in (spec.dataset, *spec.targets)}),
            readers=sum(bool(known.get(spec.method).info.needs & frozen) for spec in group),
            runs=len(group),
            kept_bytes=sum(one.bytes for one in _of(backbone, precision, kept) if one.device.startswith(device)),
            other_bytes=sum(one.bytes for one in _of(backbone, precision, kept) if not one.device.startswith(device)),
        )
        for (backbone, precision), group in groups.items()
    ]


def _of(backbone: str, precision: str, kept: Sequence[cache.BackboneCache]) -> list[cache.BackboneCache]:
    return [one for one in kept if one.slug == backbone and one.precision == precision]
