"""`etl-bench datasets`: the catalogue of datasets, and what one is like on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from bench.cli import _options as opt


def datasets(
    name: Annotated[str | None, typer.Argument(help="Read this dataset and show its facts.")] = None,
    data_root: opt.DataRoot = None,
    as_json: opt.AsJson = False,
) -> None:
    """List the datasets, or read one and show its facts."""
    from bench.cli._print import print_facts, print_rows
    from datasets_registry import DatasetInfo, get_dataset, list_datasets

    def summary(info: DatasetInfo) -> dict[str, object]:
        return {
            "name": info.name,
            "title": info.title,
            "classes": info.num_classes,
            "domain": info.domain,
            "drawn": info.drawn,
            "licence": info.licence,
        }

    if name is None:
        columns = ["name", "title", "classes", "domain", "drawn", "licence"]
        print_rows([summary(info) for info in list_datasets()], columns, as_json=as_json)
        return
    info = get_dataset(name)
    splits = info.reader(data_root)
    facts = summary(info) | {
        "summary": info.summary,
        "template": info.template,
        "class_names": list(splits.class_names),
        "train_images": len(splits.train),
        "validation_images": len(splits.val),
        "test_images": len(splits.test),
        "options": dict(info.options),
        "homepage": info.homepage,
        "citation": info.citation,
    }
    print_facts(facts, as_json=as_json)
