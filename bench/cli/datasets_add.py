"""`etl-bench datasets add`: registers your own images as a dataset."""

import time
from pathlib import Path
from typing import Annotated

import typer

from bench.cli import _options as opt
from bench.cli._print import print_facts, print_rows, remark
from bench.errors import UsageError

SECONDS_BETWEEN_LINES = 5.0
FEW_SHOTS = 4
"""Below this number of shots, the next step does not follow the smallest class."""
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
            "given if the data has a split, else hash, or even if hash leaves a class without test images.",
        ),
    ] = None,
    root: Annotated[
        Path | None, typer.Option("--root", help="Base folder of the paths in a table. Default: the table's folder.")
    ] = None,
    path_column: Annotated[str | None, typer.Option("--path-column", help=PATH_HELP)] = None,
    label_column: Annotated[str | None, typer.Option("--label-column", help="Column of the labels.")] = None,
    split_column: Annotated[str | None, typer.Option("--split-column", help="Column of train, val and test.")] = None,
    names: Annotated[
        list[str],
        typer.Option("--name", help="Name of a class in prompts, as LABEL=NAME, if the guess is wrong. Repeatable."),
    ] = [],  # noqa: B006
    guess_names: Annotated[
        bool,
        typer.Option(
            "--guess-names/--raw-names",
            help="Make class names readable: '001.Black_footed_Albatross' becomes 'Black footed Albatross'.",
        ),
    ] = True,
    skip_broken: Annotated[
        bool, typer.Option("--skip-broken", help="Leave out files that are not readable images, and record them.")
    ] = False,
    min_images: Annotated[
        int, typer.Option("--min-images", min=0, help="Leave out classes with fewer images, and record them.")
    ] = 0,
    orient: Annotated[
        bool, typer.Option("--orient/--no-orient", help="Turn images upright by their EXIF orientation.")
    ] = True,
    user: Annotated[
        bool, typer.Option("--user", help="Register it for all your projects instead of this folder only.")
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Overwrite an existing dataset of this name.")] = False,
    as_json: opt.AsJson = False,
) -> None:
    """Inspect your images and register them as a dataset, described by NAME.toml.

    Every image is read. If some images are broken, the command lists them all and writes nothing. NAME.toml is
    written to the folder in ETL_BENCH_DATASETS, by default ./etl-bench-datasets. Images are not copied.

    Example: etl-bench datasets add birds --images ~/birds --template 'a photo of a {}, a type of bird.'
    """
    from bench.sweep import backbone_advice
    from datasets_registry import (
        AddRequest,
        BadImagesError,
        ColumnNames,
        SplitRule,
        add_custom_dataset,
        custom_folders,
        notes_on,
        user_custom_folder,
    )

    request = AddRequest(
        name=name,
        images=images.expanduser(),
        template=template,
        title=title or "",
        split=opt.parse_choice(SplitRule, split, "--split") if split is not None else None,
        root=root.expanduser() if root is not None else None,
        columns=ColumnNames(path=path_column, label=label_column, split=split_column),
        skip_broken=skip_broken,
        min_images=min_images,
        names=_pairs(names),
        guess_names=guess_names,
        orient=orient,
    )
    folder = user_custom_folder() if user else custom_folders()[0]
    try:
        added = add_custom_dataset(request, folder, replace=replace, progress=_Progress())
    except BadImagesError as error:
        print_rows([{"image": image.key, "problem": image.problem} for image in error.bad], as_json=as_json)
        raise
    print_facts(added.facts(), as_json=as_json)
    for line in notes_on(added):
        remark(line)
    shots = f"{added.max_shots or 1}"
    if added.max_shots < FEW_SHOTS <= added.usual_shots:  # a few small classes do not limit the others
        shots = f"{min(added.usual_shots, 8)} --allow-fewer"
    remark(f"Next: etl-bench recommend {name} -b ViT-B-16.openai --shots {shots}")
    remark(f"{backbone_advice()}.")


def _pairs(texts: list[str]) -> dict[str, str]:
    """The names by label; raises UsageError for a text without `=`."""
    pairs = {}
    for text in texts:
        label, equals, name = text.rpartition("=")
        if not equals or not name.strip():
            raise UsageError(f"--name {text!r} is not LABEL=NAME, such as --name 'n02084071=dog'.")
        pairs[label] = name.strip()
    return pairs


class _Progress:
    """Prints the number of inspected images to standard error, every few seconds."""

    def __init__(self) -> None:
        self._said = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        if time.monotonic() - self._said >= SECONDS_BETWEEN_LINES:
            self._said = time.monotonic()
            remark(f"inspected {done} of {total} images")
