"""The whole page of a results database, section by section."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bench.cards.blocks import block_view
from bench.cards.catalogue import Catalogue
from bench.cards.provenance import minute, provenance
from bench.leaderboard import HConvention, leaderboard, settings
from reports.views import BlockView, ExampleView, SiteView

if TYPE_CHECKING:
    import pandas as pd


def site_view(
    runs: pd.DataFrame,
    difficulty: pd.DataFrame,
    catalogue: Catalogue,
    *,
    package_version: str,
    generated_at: datetime | None = None,
    protocol: str | None = None,
    convention: HConvention = HConvention.H_OF_MEANS,
    examples: Callable[[str], tuple[ExampleView, ...]] = lambda _: (),
) -> SiteView:
    """Everything that the page of a results database shows.

    Args:
        runs: the store's `runs_frame()`.
        difficulty: the store's `difficulty_frame()`.
        catalogue: facts of methods and datasets.
        package_version: printed in the header.
        generated_at: now, unless given.
        protocol: show this protocol only.
        convention: how H enters the average rows.
        examples: small pictures of a dataset by its name; none unless given.
    """
    if protocol is not None:
        runs = runs[runs["protocol"] == protocol]
    blocks: list[BlockView] = []
    for setting in settings(runs):
        board = leaderboard(runs, setting, convention=convention)
        what = f"{setting.backbone} {setting.protocol} {setting.source} {setting.shots} shots"
        anchor = _anchor(what, {b.anchor for b in blocks})
        blocks.append(block_view(board, runs, difficulty, catalogue, anchor=anchor, examples=examples))
    once = runs.drop_duplicates("run_id")
    return SiteView(
        title="Efficient transfer learning of CLIP",
        package_version=package_version,
        generated_at=minute(generated_at or datetime.now(UTC)),
        newest_run=minute(once["created_at"].max()) if len(once) else None,
        n_runs=len(once),
        n_failed=int((once["status"] != "ok").sum()),
        blocks=tuple(blocks),
        facts=provenance(once),
    )


def _anchor(text: str, taken: set[str]) -> str:
    base = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    anchor, number = base, 2
    while anchor in taken:
        anchor, number = f"{base}-{number}", number + 1
    return anchor
