"""Sweep requests by their axes, and changed ones."""

from __future__ import annotations

from collections.abc import Sequence

from bench.sweep import SweepRequest


def sweep_over(
    methods: Sequence[str], datasets: Sequence[str], backbones: Sequence[str], **options: object
) -> SweepRequest:
    return SweepRequest.build(methods=methods, datasets=datasets, backbones=backbones, **options)


def changed(request: SweepRequest, **options: object) -> SweepRequest:
    """The request with other values, which are not validated."""
    return request.model_copy(update=options)
