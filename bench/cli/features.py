"""`etl-bench features import`: registers precomputed features as a dataset, for images that cannot be shared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

features_app = typer.Typer(
    help="Import precomputed features as datasets, for methods that need only features.", no_args_is_help=True
)


@features_app.command("import")
def import_features(
    file: Annotated[Path, typer.Argument(help="An .npz or .safetensors file of arrays.")],
    name: Annotated[str, typer.Option("--name", help="Name of the dataset.")],
    backbone: Annotated[str, typer.Option("--backbone", help="Name of the model that computed the features.")],
    classes: Annotated[
        Path, typer.Option("--classes", help="Class names in label order: one per line, or a JSON list.")
    ],
    text: Annotated[str, typer.Option("--text", help="Array of class-text features, or FILE:ARRAY.")] = "text_features",
    train: Annotated[
        str, typer.Option("--train", help="Arrays of features and labels, as FEATURES,LABELS.")
    ] = "train_features,train_labels",
    test: Annotated[str, typer.Option("--test", help="The same for the test split.")] = "test_features,test_labels",
    val: Annotated[str | None, typer.Option("--val", help="The same for the validation split, if any.")] = None,
    logit_scale: Annotated[float, typer.Option("--logit-scale", help="Factor on cosines; 100 for CLIP.")] = 100.0,
    title: Annotated[str, typer.Option("--title", help="Title in tables.")] = "",
) -> None:
    """Check features, labels and class texts, and add them as a dataset with a backbone of the given name."""
    from bench.experiment import class_names, read_arrays, take
    from datasets_registry import BACKBONE_PREFIX, import_feature_bundle

    arrays = read_arrays(file)
    texts_of, _, array = text.rpartition(":")
    texts = take(read_arrays(Path(texts_of)) if texts_of else arrays, array, Path(texts_of) if texts_of else file)
    bundle = import_feature_bundle(
        name=name,
        backbone=backbone,
        class_names=class_names(classes),
        text_features=texts,
        splits=_splits(arrays, {"train": train, "test": test} | ({"val": val} if val else {}), file),
        title=title,
        logit_scale=logit_scale,
        source=file.name,
    )
    sizes = ", ".join(f"{len(bundle.arrays[f'{s}_labels'])} {s}" for s in ("train", "val", "test"))
    typer.echo(f"{name}: {len(bundle.facts.class_names)} classes, {sizes}; in {bundle.folder}", err=True)
    typer.echo(
        f"Next: etl-bench run -d {name} -b {BACKBONE_PREFIX}.{backbone} -m all --protocol few-shot --shots N", err=True
    )


def _splits(
    arrays: Mapping[str, NDArray[Any]], names: Mapping[str, str], file: Path
) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
    from bench.experiment import take

    found = {}
    for split, pair in names.items():
        features, comma, labels = pair.partition(",")
        if not comma:
            raise UsageError(f"--{split} {pair!r} is not of the form FEATURES,LABELS, two arrays of {file}.")
        found[split] = take(arrays, features, file), take(arrays, labels, file)
    return found
