"""Which frozen features the runs of a plan share. They are computed once."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.experiment.features import cache
from bench.spec import ExperimentSpec


@dataclass(frozen=True)
class SharedFeatures:
    """The frozen features of one backbone in a plan: it encodes the images of so many datasets.

    Of its `runs`, `readers` read frozen image or text features. `kept_bytes` of its features are in the cache.
    """

    backbone: str
    precision: str
    datasets: int
    readers: int
    runs: int
    kept_bytes: int


def shared_features(specs: Sequence[ExperimentSpec], cache_dir: Path | None) -> list[SharedFeatures]:
    """Shared features by backbone and precision, in the order of the runs."""
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
            kept_bytes=sum(one.bytes for one in kept if one.slug == backbone and one.precision == precision),
        )
        for (backbone, precision), group in groups.items()
    ]
