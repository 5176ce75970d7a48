"""`etl-bench datasets add`: registers your own images as a dataset."""

from pathlib import Path
from typing import Annotated

import typer

from bench.cli import _options as opt
from bench.cli._print import print_facts, remark

PATH_HELP = "Column of the image paths, or of the images in a Hugging Face folder."


def add(
    name: Annotated[str, typer.Argument(help="Name of the dataset: lower-case letters, digits and _.")],
    images: Annotated[
        Path,
        typer.Option(
            "--images",
            help="Folder of class folders (or of train, val, test with class folders), a .csv, .tsv or .parquet table "
            "of paths and labels, a Hugging Face folder from save_to_disk, or a folder of webdataset tars.",
        ),
    ],
    template: Annotated[
        str, typer.Option("--template", help="Template for class names, with {}.")
    ] = "a photo of a {}.",
    title: Annotated[str | None, typer.Option("--title", help="Title in tables.")] = None,
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            help="given (folders, column, ...), hash (by content) or even (the same shares of each class). Default: "
            "given if there is one, else hash, or even where hash leaves a class without test images.",
        ),
    ] = None,
    root: Annotated[
        Path | None, typer.Option("--root", help="Base folder of the paths in a table. Default: the table's folder.")
    ] = None,
    path_column: Annotated[str | None, typer.Option("--path-column", help=PATH_HELP)] = None,
    label_column: Annotated[str | None, typer.Option("--label-column", help="Column of the labels.")] = None,
    split_column: Annotated[str | None, typer.Option("--split-column", help="Column of train, val and test.")] = None,
    user: Annotated[
        bool, typer.Option("--user", help="Register it for all your projects instead of this folder only.")
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Overwrite an existing dataset of this name.")] = False,
    as_json: opt.AsJson = False,
) -> None:
    """Inspect your images and register them as a dataset, described by NAME.toml.

    The file is written to the folder in ETL_BENCH_DATASETS, by default ./etl-bench-datasets. Images are not copied.

    Example: etl-bench datasets add birds --images ~/birds --template 'a photo of a {}, a type of bird.'
    """
    from datasets_registry import AddRequest, ColumnNames, SplitRule, add_dataset, custom_folders, user_custom_folder

    request = AddRequest(
        name=name,
        images=images.expanduser(),
        template=template,
        title=title or "",
        split=opt.parse_choice(SplitRule, split, "--split") if split is not None else None,
        root=root.expanduser() if root is not None else None,
        columns=ColumnNames(path=path_column, label=label_column, split=split_column),
    )
    folder = user_custom_folder() if user else custom_folders()[0]
    added = add_dataset(request, folder, replace=replace)
    print_facts(added.facts(), as_json=as_json)
    for line in added.notes():
        remark(line)
    remark(f"Next: etl-bench run -m zero_shot,clip_adapter -d {name} --shots {added.max_shots or 1} --seeds 3")
