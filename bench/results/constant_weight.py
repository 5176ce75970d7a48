"""Outcomes of a finished run of an adaptive ensemble with the mean of its weights for every class."""

import numpy as np
from numpy.typing import NDArray

from bench.results.ensemble_reweighting import adaptive_weight, blended_logits, fixed_weight
from bench.results.shards import Shards


def constant_weight_outcomes(shards: Shards, run_id: str) -> dict[str, NDArray[np.bool_]]:
    """Whether each test image is classified correctly with the mean weight, `(n,)` by split, ordered by image.

    Only runs with adaptive weights that stored both branches (`run --keep-branches`) have outcomes.
    """
    shard = shards.read(run_id)
    if shard is None or shard.record.spec.config.get("ensemble_weight", "adaptive") != "adaptive":
        return {}
    config = shard.record.spec.config
    settings = {name: float(config[name]) for name in ("beta", "eps") if name in config}
    found = {}
    for item in shard.predictions:
        if item.branches is None:
            continue
        mean = float(adaptive_weight(item.branches, **settings).mean())
        logits = blended_logits(item.branches, fixed_weight(item.branches, mean))
        order = sorted(range(len(item.images)), key=lambda i, images=item.images: images[i])  # type: ignore[misc]
        found[item.split] = (logits.argmax(axis=1) == item.label)[order]
    return found
