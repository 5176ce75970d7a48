"""Estimates as the page takes them."""

from __future__ import annotations

from bench.statistics import Estimate
from reports.views import Value


def value_view(estimate: Estimate) -> Value:
    """An estimate without what no page shows."""
    return Value(estimate.mean, estimate.n, estimate.half_width)
