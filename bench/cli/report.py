"""`etl-bench report`: the results database as one HTML file that works offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli import _options as opt


def report(
    runs: opt.Runs = opt.DEFAULT_RUNS,
    site: Annotated[Path, typer.Option("--site", help="Folder to write index.html into.")] = Path("site"),
    out: Annotated[Path | None, typer.Option("--out", help="File to write, in place of --site.")] = None,
    protocol: Annotated[str | None, typer.Option("--protocol", help="Only this protocol.")] = None,
    convention: Annotated[
        str, typer.Option("--h", help="H of average rows: h_of_means (CoOp's tables) or mean_of_h (APEX's).")
    ] = "h_of_means",
    data_root: opt.DataRoot = None,
    images: Annotated[
        bool, typer.Option("--images/--no-images", help="Show a few images of each dataset that is at hand.")
    ] = True,
) -> None:
    """Write leaderboards, difficulty charts, datasets, methods and gaps as one HTML page that needs no network.

    Example: etl-bench report --runs runs/demo --out site/index.html
    """
    from functools import partial

    import bench
    from bench.cards import registered, site_view
    from bench.claims import load_claims
    from bench.cli._print import print_line, remark
    from bench.examples import example_images
    from bench.leaderboard import HConvention
    from bench.ledger import published_settings
    from bench.published import published_frame
    from bench.store import fresh_store
    from datasets_registry._types import EvalProtocol
    from reports.render import render_site

    chosen = None if protocol is None else str(opt.parse_choice(EvalProtocol, protocol, "--protocol"))
    how = opt.parse_choice(HConvention, convention, "--h")
    store = fresh_store(runs)
    frame = store.runs_frame()
    view = site_view(
        frame,
        store.difficulty_frame(),
        registered(),
        package_version=bench.__version__,
        protocol=chosen,
        convention=how,
        claims=load_claims(),
        published=published_frame(),
        defaults=published_settings(frame),
        examples=partial(example_images, data_root=data_root) if images else lambda _: (),
    )
    if not view.blocks:
        remark(f"no runs in {runs}{f' with protocol {chosen}' if chosen else ''}; the page says so")
    for block in view.blocks:
        if not block.complete:
            what = f"{block.backbone}, {block.heading}"
            remark(f"incomplete: {what}: {len(block.missing)} cells missing, {block.n_failed} of them failed")
    print_line(str(render_site(view, out if out is not None else site / "index.html")))
