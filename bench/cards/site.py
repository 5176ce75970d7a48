"""The whole page of a results database, section by section."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bench.cards.blocks import block_view
from bench.cards.catalogue import Catalogue
from bench.cards.evidence import claim_views, ledger_view
from bench.cards.provenance import minute, provenance
from bench.claims import Claim
from bench.leaderboard import HConvention, leaderboard, settings
from bench.ledger import Defaults
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
    claims: Sequence[Claim] = (),
    published: pd.DataFrame | None = None,
    defaults: Defaults | None = None,
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
        claims: sentences to test on the runs.
        published: `bench.published.published_frame()`, to set ours beside.
        defaults: published settings by method and protocol, to tell where ours differ.
    """
    if protocol is not None:
        runs = runs[runs["protocol"] == protocol]
    boards = [leaderboard(runs, setting, convention=convention) for setting in settings(runs)]
    blocks: list[BlockView] = []
    for board in boards:
        setting = board.setting
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
        claims=claim_views(claims, boards, runs, difficulty, catalogue),
        ledger=None if published is None else ledger_view(boards, runs, published, defaults, catalogue),
    )


def _anchor(text: str, taken: set[str]) -> str:
    base = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    anchor, number = base, 2
    while anchor in taken:
        anchor, number = f"{base}-{number}", number + 1
    return anchor
