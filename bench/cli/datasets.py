"""`etl-bench datasets`: lists the datasets, shows one, and groups the commands about datasets."""

from typing import Annotated

import typer

from bench.cli import _options as opt
from bench.cli._groups import SHOW, ShowsByDefault
from bench.cli._print import print_facts, print_rows
from bench.cli.datasets_add import add
from bench.cli.datasets_check import check
from bench.cli.datasets_croissant import croissant
from bench.cli.datasets_draw import draw
from bench.cli.datasets_fetch import fetch

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
    """List the datasets, or read one from disk and show its properties."""
    from datasets_registry import DatasetInfo, DrawRule, get_dataset, list_datasets, pretraining_overlap

    def summary(info: DatasetInfo) -> dict[str, object]:
        return {
            "name": info.name,
            "title": info.title,
            "classes": info.num_classes,
            "domain": info.domain,
            "drawn": info.synthetic,
            "licence": info.licence,
        }

    if name is None:
        print_rows([summary(info) for info in list_datasets()], as_json=as_json)
        return
    info = get_dataset(name)
    splits = info.reader(data_root)
    facts = summary(info) | {
        "summary": info.summary,
        "template": info.template,
        "template_variants": dict(info.template_variants),
        "class_names": list(splits.class_names),
        "train_images": len(splits.train),
        "validation_images": len(splits.val),
        "test_images": len(splits.test),
        "images_of_the_full_dataset": dict(info.expected),
        "layout_found": splits.layout,
        "split_file": info.split_file,
        "draw": str(DrawRule.COOP_SORTED if info.sorted_listing else DrawRule.COOP),
        "test_only": info.test_only,
        "known_problems": list(info.known_problems),
        "overlap_with_pretraining_data": list(pretraining_overlap(info)),
        "options": dict(info.options),
        "homepage": info.homepage,
        "citation": info.citation,
    }
    print_facts(facts, as_json=as_json)


datasets_app.command("fetch")(fetch)
datasets_app.command("check")(check)
datasets_app.command("add")(add)
datasets_app.command("draw")(draw)
datasets_app.command("croissant")(croissant)
