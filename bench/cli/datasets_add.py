"""`etl-bench datasets add`: registers your own images, or their features, as a dataset."""

import time
from pathlib import Path
from typing import Annotated

import typer

from bench.cli import _options as opt
from bench.cli._print import print_facts, print_rows, remark
from bench.errors import UsageError

SECONDS_BETWEEN_LINES = 5.0
PATH_HELP = "Column of the image paths, or of the images in a Hugging Face folder."


def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the dataset: lower-case letters, digits and _.")],
    images: Annotated[
        str | None,
        typer.Option(
            "--images",
            metavar="PATH",
            help="Folder of class folders (or of train, val, test with class folders), a .csv, .tsv or .parquet table "
            "of paths and labels, a Hugging Face folder from save_to_disk, or a folder of webdataset tars.",
        ),
    ] = None,
    features: Annotated[
        Path | None,
        typer.Option("--features", help="In place of images: precomputed features, as an .npz or .safetensors file."),
    ] = None,
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
    group_column: Annotated[
        str | None,
        typer.Option(
            "--group-column",
            help="Column of what images share, such as their patient or video. A split by hash or even keeps a "
            "group in one part, and intervals are over groups. Default: the column `group` of a table, if any.",
        ),
    ] = None,
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
    backbone: Annotated[
        str | None, typer.Option("--backbone", help="Of --features: name of the model that computed them.")
    ] = None,
    classes: Annotated[
        Path | None,
        typer.Option("--classes", help="Of --features: class names in label order, one per line or a JSON list."),
    ] = None,
    arrays: Annotated[
        list[str],
        typer.Option(
            "--array",
            help="Of --features: names of arrays, as text=ARRAY or text=FILE:ARRAY for class texts, and train=, test= "
            "or val=FEATURES,LABELS, or FEATURES,LABELS,GROUPS with what images share, such as their patient. Default: "
            "text_features, and train_features,train_labels. Repeatable.",
        ),
    ] = [],  # noqa: B006
    logit_scale: Annotated[
        float, typer.Option("--logit-scale", help="Of --features: factor on cosines; 100 for CLIP.")
    ] = 100.0,
    as_json: opt.AsJson = False,
) -> None:
    """Inspect your images and register them as a dataset, described by NAME.toml.

    Every image is read. If some images are broken, the command lists them all and writes nothing. NAME.toml is
    written to the folder in ETL_BENCH_DATASETS, by default ./etl-bench-datasets. Images are not copied.

    --features imports precomputed features of images that cannot be shared, for methods that need only features. They
    become a dataset with a backbone of the given name.

    Example: etl-bench datasets add birds --images ~/birds --template 'a photo of a {}, a type of bird.'

    Example: etl-bench datasets add scans --features scans.npz --backbone our-clip --classes classes.txt
    """
    if (images is None) is (features is None):
        raise UsageError("Give --images or --features, one of them.")
    if features is not None:
        _refuse_others(context, _OF_IMAGES, "--images")
        _add_features(name, features, backbone, classes, arrays, logit_scale, title)
        return
    _refuse_others(context, _OF_FEATURES, "--features")
    from bench.api import add_dataset, backbone_advice
    from datasets_registry import BadImagesError, notes_on

    assert images is not None, "one of the two is given"
    try:
        added = add_dataset(
            name,
            images,
            template=template,
            title=title,
            split=split,
            replace=replace,
            user=user,
            progress=_Progress(),
            root=root,
            path_column=path_column,
            label_column=label_column,
            split_column=split_column,
            group_column=group_column,
            skip_broken=skip_broken,
            min_images=min_images,
            names=_pairs(names, "--name", "'n02084071=dog'"),
            guess_names=guess_names,
            orient=orient,
        )
    except BadImagesError as error:
        print_rows([{"image": image.key, "problem": image.problem} for image in error.bad], as_json=as_json)
        raise
    print_facts(added.facts(), as_json=as_json)
    for line in notes_on(added):
        remark(line)
    shots, allow_fewer = added.suggested_shots
    fewer = " --allow-fewer" if allow_fewer else ""
    remark(f"Next: etl-bench recommend {name} -b ViT-B-16.openai --shots {shots}{fewer}")
    remark(f"{backbone_advice()}.")


_OF_FEATURES = ("backbone", "classes", "arrays", "logit_scale")
_OF_IMAGES = (
    "template", "split", "root", "path_column", "label_column", "split_column", "group_column", "names", "guess_names",
    "skip_broken", "min_images", "orient", "user", "replace", "as_json",
)  # fmt: skip


def _refuse_others(context: typer.Context, parameters: tuple[str, ...], of: str) -> None:
    """Raise UsageError if one of these parameters was typed, which belong to another option."""
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name in parameters and source is not None and source.name == "COMMANDLINE":
            raise UsageError(f"{parameter.opts[0]} is an option of {of}, which is not given.")


def _add_features(
    name: str,
    file: Path,
    backbone: str | None,
    classes: Path | None,
    arrays: list[str],
    logit_scale: float,
    title: str | None,
) -> None:
    if backbone is None or classes is None:
        raise UsageError(f"--features needs {'--backbone' if backbone is None else '--classes'} as well.")
    from bench.api import add_features
    from datasets_registry import BACKBONE_PREFIX

    bundle = add_features(
        name,
        file,
        backbone=backbone,
        classes=classes,
        arrays=_pairs(arrays, "--array", "test=features,labels"),
        logit_scale=logit_scale,
        title=title,
    )
    sizes = ", ".join(f"{len(bundle.arrays[f'{s}_labels'])} {s}" for s in ("train", "val", "test"))
    remark(f"{name}: {len(bundle.facts.class_names)} classes, {sizes}; in {bundle.folder}")
    remark(f"Next: etl-bench run -d {name} -b {BACKBONE_PREFIX}.{backbone} -m all --protocol few-shot --shots N")


def _pairs(texts: list[str], option: str, example: str) -> dict[str, str]:
    """The values by what is before the last `=`; raises UsageError for a text without one, or a repetition."""
    pairs: dict[str, str] = {}
    for text in texts:
        label, equals, name = text.rpartition("=")
        if not equals or not name.strip():
            raise UsageError(f"{option} {text!r} is not of the form {example}.")
        if label in pairs:
            raise UsageError(f"{option} gives {label!r} twice, as {pairs[label]!r} and {name.strip()!r}. Give it once.")
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
