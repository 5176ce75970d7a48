"""`etl-bench datasets`: lists the datasets, shows one, and groups the commands about datasets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import _options as opt
from bench.cli._groups import SHOW, ShowsByDefault
from bench.cli._print import print_facts, print_rows, remark
from bench.cli.datasets_add import add
from bench.cli.datasets_check import check
from bench.cli.datasets_croissant import croissant
from bench.cli.datasets_draw import draw
from bench.cli.datasets_fetch import fetch

if TYPE_CHECKING:
    from datasets_registry import DatasetInfo

_LISTED = ("name", "domain", "classes", "test_images", "get", "licence")

datasets_app = typer.Typer(
    cls=ShowsByDefault,
    help="List the datasets, or show one (`etl-bench datasets NAME`).",
)


@datasets_app.command(SHOW)
def show(
    name: Annotated[str | None, typer.Argument(help="Show this dataset.")] = None,
    data_root: opt.DataRoot = None,
    as_json: opt.AsJson = False,
) -> None:
    """List the datasets, or show the properties of one dataset and, with --data-root, the content of your copy.

    The column `get` is `built in`, `fetch` (`datasets fetch` downloads it), `by hand` (`datasets fetch` says how),
    `your own`, or `on disk` (found in --data-root).
    """
    from datasets_registry import get_dataset, list_datasets

    if name is None:
        rows = [_summary(info) | _place(info, data_root) for info in list_datasets()]
        print_rows(rows, _LISTED, as_json=as_json)
        if not as_json:
            remark("Next: etl-bench datasets NAME, or etl-bench datasets fetch NAME --data-root FOLDER")
        return
    info = get_dataset(name)
    facts = _summary(info) | _properties(info, data_root, as_json=as_json)
    print_facts(facts, as_json=as_json)
    if facts["test_images"] is None and not as_json:
        remark("Next: give --data-root FOLDER to see the content of your copy")


def _summary(info: DatasetInfo) -> dict[str, object]:
    return {
        "name": info.name,
        "title": info.title,
        "classes": info.num_classes,
        "domain": info.domain,
        "drawn": info.synthetic,
        "licence": info.licence,
    }


def _place(info: DatasetInfo, data_root: Path | None) -> dict[str, object]:
    from datasets_registry import is_dataset_present, way_to_get

    here = data_root is not None and data_root.is_dir() and not info.own_images and is_dataset_present(info, data_root)
    return {"test_images": info.expected.get("test"), "get": "on disk" if here else way_to_get(info)}


def _properties(info: DatasetInfo, data_root: Path | None, *, as_json: bool) -> dict[str, object]:
    """The facts of a dataset. Facts of a copy on disk are None without a data folder."""
    from datasets_registry import DrawRule, pretraining_overlap, way_to_get

    unread = data_root is None and way_to_get(info) in ("fetch", "by hand")
    splits = None if unread else info.reader(data_root)
    lines = list if as_json else "\n".join
    return {
        "summary": info.summary,
        "template": info.template,
        "template_variants": dict(info.template_variants),
        "class_names": list(splits.class_names if splits else info.class_names),
        "train_images": len(splits.train) if splits else None,
        "validation_images": len(splits.val) if splits else None,
        "test_images": len(splits.test) if splits else None,
        "images_of_the_full_dataset": dict(info.expected),
        "layout_found": splits.layout if splits else None,
        "split_file": info.split_file,
        "draw": str(DrawRule.COOP_SORTED if info.sorted_listing else DrawRule.COOP),
        "test_only": info.test_only,
        "known_problems": lines(info.known_problems),
        "overlap_with_pretraining_data": lines(pretraining_overlap(info)),
        "options": dict(info.options),
        "homepage": info.homepage,
        "citation": info.citation,
    }


datasets_app.command("fetch")(fetch)
datasets_app.command("check")(check)
datasets_app.command("add")(add)
datasets_app.command("draw")(draw)
datasets_app.command("croissant")(croissant)
