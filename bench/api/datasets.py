"""Datasets: list them, add own images or features, check, draw and fetch them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

from bench.api import options as opt
from bench.api.options import AllowFewer, Arg, DataRoot, Draw, Force, NamedDatasets, NewDataRoot, Opt
from bench.errors import UsageError
from bench.spec import ALL_SHOTS
from bench.sweep import cores, parse_choice, parse_shots, split_list
from bench.table import Table
from datasets_registry import (
    DATASETS,
    DrawRule,
    EvalProtocol,
    custom_folders,
    get_dataset,
    list_datasets,
    user_custom_folder,
    way_to_get,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from datasets_registry import (  # fmt: skip
        AddedDataset,
        CheckResult,
        DatasetInfo,
        DatasetSource,
        DatasetSplits,
        FetchOptions,
        FewShotTask,
        SourceFile,
        feature_bundle,
    )

Name = Annotated[str, Arg("The dataset.")]


# The catalogue


def datasets_table(data_root: DataRoot = None) -> Table:
    """One row per dataset. `get` is `built in`, `fetch`, `by hand`, `your own`, or `on disk` (in `data_root`)."""
    rows = [_summary(info) | _place(info, data_root) for info in list_datasets()]
    next_step = "Next: `etl-bench datasets NAME`, or `etl-bench datasets fetch NAME --data-root FOLDER`"
    return Table(rows, ["name", "domain", "classes", "test_images", "get", "licence"], below=lambda: next_step)


def dataset_facts(name: Name, data_root: DataRoot = None) -> dict[str, Any]:
    """The properties of one dataset. Facts of a copy on disk are None without a data folder."""
    from datasets_registry import dataset_sources, origin_of_images, pretraining_overlap, wordings_of

    info = get_dataset(name)
    source = dataset_sources().get(name)
    splits = _splits(info, data_root)
    return _summary(info) | {
        "summary": info.summary,
        "template": info.template,
        "template_variants": dict(info.template_variants),
        "wordings": [f"{name}: {wording.summary}" for name, wording in wordings_of(info.name).items()],
        "class_names": list(splits.class_names if splits else info.class_names),
        "train_images": len(splits.train) if splits else None,
        "validation_images": len(splits.val) if splits else None,
        "test_images": len(splits.test) if splits else None,
        "images_of_the_full_dataset": dict(info.expected),
        "layout_found": splits.layout if splits else None,
        "images_from_mirror": origin_of_images(source, data_root) if source and data_root else None,
        "split_file": info.split_file,
        "draw": "coop-sorted" if info.sorted_listing else "coop",
        "test_only": info.test_only,
        "groups": info.groups or None,
        "known_problems": list(info.known_problems),
        "overlap_with_pretraining_data": list(pretraining_overlap(info)),
        "options": dict(info.options),
        "homepage": info.homepage,
        "citation": info.citation,
    }


def _splits(info: DatasetInfo, data_root: Path | None) -> DatasetSplits | None:
    """The images of a dataset; None without the data folder that it needs."""
    from datasets_registry import MissingDataError

    way = way_to_get(info)
    if data_root is None and way in ("fetch", "by hand"):
        return None
    try:
        return info.reader(data_root)
    except MissingDataError:
        if data_root is not None or way:
            raise
        return None


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
    from datasets_registry import is_dataset_present

    present = (
        data_root is not None and data_root.is_dir() and not info.own_images and is_dataset_present(info, data_root)
    )
    return {"test_images": info.expected.get("test"), "get": "on disk" if present else way_to_get(info)}


# Own images and features


def add_dataset(
    name: Annotated[str, Arg("Name of the dataset: lower-case letters, digits and _.")],
    images: Annotated[
        str | Path,
        Opt(
            "Folder of class folders (or of train, val, test with class folders), a .csv, .tsv or .parquet table of "
            "paths and labels, or a Hugging Face folder from save_to_disk.",
            metavar="PATH",
        ),
    ],
    *,
    template: Annotated[
        str | None, Opt("Template for class names, with {}. Default: as before, or 'a photo of a {}.'")
    ] = None,
    title: Annotated[str | None, Opt("Title in tables.", metavar="TEXT")] = None,
    split: Annotated[
        str | None,
        Opt(
            "given (folders, column, ...), hash (by content) or even (the same shares of each class). Default: given "
            "if the data has a split, else hash, or even if hash leaves a class without test images."
        ),
    ] = None,
    root: Annotated[Path | str | None, Opt("Base folder of the paths in a table. Default: the table's folder.")] = None,
    columns: Annotated[
        Mapping[str, str] | None,
        Opt(
            "Column of a table or Hugging Face folder, as path=NAME (in a Hugging Face folder: the images), "
            "label=NAME, split=NAME (train, val and test) or group=NAME: what images share, such as their patient or "
            "video. A split by hash or even keeps a group in one part, and intervals are over groups. Default: usual "
            "names. Repeatable.",
            "--column",
            pairs="'label=species'",
        ),
    ] = None,
    names: Annotated[
        Mapping[str, str] | None,
        Opt(
            "Name of a class in prompts, as LABEL=NAME. Default: as before, or the label with spaces for underscores. "
            "Repeatable.",
            "--name",
            pairs="'n02084071=dog'",
        ),
    ] = None,
    skip_broken: Annotated[bool, Opt("Leave out files that are not readable images, and record them.")] = False,
    min_images: Annotated[int, Opt("Leave out classes with fewer images, and record them.", min=0)] = 0,
    orient: Annotated[
        bool | None,
        Opt("Turn images upright by their EXIF orientation. Default: as before, or --orient.", "--orient/--no-orient"),
    ] = None,
    user: Annotated[bool, Opt("Register it for all your projects instead of this folder only.")] = False,
    force: Annotated[
        bool,
        Opt("Overwrite an existing dataset of this name, its settings and its split, by a new description."),
    ] = False,
    progress: Callable[[int, int], None] | None = None,
) -> AddedDataset:
    """Inspect own images and register them as a dataset, for this process and for later ones in this folder.

    Repeat it after the images changed: the file is written where it is, settings stay, and known images stay in their
    part of the split. `progress` receives the number of inspected images and of all images.

    Returns:
        The dataset; `facts()` says what was found, and `notes()` what may be a mistake.

    Raises:
        RegistrationError: the name is malformed or taken.
        BadImagesError: some images cannot be read; it lists them all.
        DataError: there are too few images or classes.
        UsageError: an unknown split or column, or an empty path or title.
    """
    from bench.experiment import read_splits
    from datasets_registry import AddRequest, ColumnNames, SplitRule, add_custom_dataset

    if not str(images).strip():
        raise UsageError("--images is empty. Give a folder or a table of images.")
    _check_title(title)
    _check_keys("--column", columns or {}, ColumnNames.model_fields)
    request = AddRequest(
        name=name,
        images=Path(images).expanduser(),
        template=template,
        title=title or "",
        split=None if split is None else parse_choice(get_args(SplitRule), split, "--split"),
        root=Path(root).expanduser() if root else None,
        columns=ColumnNames(**columns or {}),
        names=names or {},
        skip_broken=skip_broken,
        min_images=min_images,
        orient=orient,
    )
    otherwise = user_custom_folder() if user else custom_folders()[0]
    registered_in = (place for place in custom_folders() if (place / f"{name}.toml").exists() and not force)
    folder = next(registered_in, otherwise)  # `force` replaces no dataset of another folder
    added = add_custom_dataset(request, folder, replace=force, progress=progress)
    if name in DATASETS:
        DATASETS.remove(name)
    DATASETS.add(name, added.info, added.info.title)
    read_splits.cache_clear()
    return added


ARRAYS = {
    "text": "text_features",
    "train": "train_features,train_labels",
    "test": "test_features,test_labels",
    "val": "",
}
"""Names of the arrays of a feature file; `val` is optional."""


def add_features(
    name: Annotated[str, Arg("Name of the dataset: lower-case letters, digits and _.")],
    file: Annotated[
        Path | str,
        Opt("In place of images: precomputed features, as an .npz or .safetensors file.", "--features"),
    ],
    *,
    backbone: Annotated[str, Opt("Of --features: name of the model that computed them.", metavar="TEXT")],
    classes: Annotated[Path | str, Opt("Of --features: class names in label order, one per line or a JSON list.")],
    arrays: Annotated[
        Mapping[str, str] | None,
        Opt(
            "Of --features: names of arrays, as text=ARRAY or text=FILE:ARRAY for class texts, and train=, test= or "
            "val=FEATURES,LABELS, or FEATURES,LABELS,GROUPS with what images share, such as their patient. Default: "
            "text_features, and train_features,train_labels. Repeatable.",
            "--array",
            pairs="test=features,labels",
        ),
    ] = None,
    logit_scale: Annotated[float, Opt("Of --features: factor on cosines; 100 for CLIP.")] = 100.0,
    title: Annotated[str | None, Opt("Title in tables.", metavar="TEXT")] = None,
) -> feature_bundle.FeatureBundle:
    """Register precomputed features as a dataset with a backbone of the given name, after checks.

    Raises UsageError, DataError or UnknownNameError for arrays that are missing or do not fit.
    """
    from bench.experiment import class_names, read_arrays, take
    from datasets_registry import feature_bundle

    _check_title(title)
    chosen, path = ARRAYS | dict(arrays or {}), Path(file)
    _check_keys("--array", chosen, ARRAYS)
    contents = read_arrays(path)
    texts_of, _, array = chosen.pop("text").rpartition(":")
    texts = take(read_arrays(Path(texts_of)) if texts_of else contents, array, Path(texts_of) if texts_of else path)
    splits: dict[str, tuple[NDArray[Any], ...]] = {}
    for split, listed in chosen.items():
        names = listed.split(",") if listed else []
        if len(names) not in (0, 2, 3):
            raise UsageError(
                f"--array {split}={listed} is not {split}=FEATURES,LABELS or {split}=FEATURES,LABELS,GROUPS, arrays of "
                f"{path}."
            )
        if names:
            splits[split] = tuple(take(contents, name, path) for name in names)
    return feature_bundle.import_feature_bundle(
        name=name,
        backbone=backbone,
        class_names=class_names(Path(classes)),
        text_features=texts,
        splits=splits,
        title=title or "",
        logit_scale=logit_scale,
        source=path.name,
    )


def _check_keys(option: str, keys: Iterable[str], allowed: Iterable[str]) -> None:
    if unknown := sorted(set(keys) - set(allowed)):
        raise UsageError(f"{option} {unknown[0]}=... is unknown. Allowed: {', '.join(allowed)}.")


def _check_title(title: str | None) -> None:
    if title is not None and not title.strip():
        raise UsageError(f"--title {title!r} is empty. Leave it out to use the dataset's name.")


# Copies on disk


def check_datasets(
    names: Annotated[Sequence[str], Arg("Names or patterns of datasets. Default: all on disk.")] = (),
    data_root: DataRoot = None,
    *,
    sample: Annotated[int | None, Opt("Open only this many images per dataset, spread over its splits.", min=0)] = None,
    fingerprint: Annotated[
        bool, Opt("Store digests of the files, or write nothing.", "--fingerprint/--no-fingerprint")
    ] = True,
) -> tuple[Iterator[CheckResult], int | None]:
    """Check split, counts and images of datasets on disk, one after the other.

    Returns the checks, and the number of datasets that are not on disk if no names are given; the checks are empty and
    that number is None if nothing is on disk.
    """
    from datasets_registry import check_dataset, is_dataset_present

    absent: int | None = 0
    if names:
        infos = [
            get_dataset(match) for match in dict.fromkeys(n for name in split_list(names) for n in DATASETS.match(name))
        ]
    else:
        infos = [info for info in list_datasets() if is_dataset_present(info, data_root)]
        absent = sum(not info.synthetic and info not in infos for info in list_datasets()) if infos else None
    checks = (
        check_dataset(info, data_root, sample=sample, jobs=cores(), write_fingerprint=fingerprint) for info in infos
    )
    return checks, absent


@dataclass(frozen=True)
class DatasetToFetch:
    """A published dataset, where it comes from, and its files that are missing.

    `by_hand` has instructions for files that the user must get, `options` say how the others are fetched.
    """

    info: DatasetInfo
    source: DatasetSource
    missing: tuple[SourceFile, ...]
    by_hand: str | None
    options: FetchOptions


def datasets_to_fetch(
    names: NamedDatasets,
    data_root: NewDataRoot = None,
    *,
    splits_only: Annotated[bool, Opt("Fetch only the split file and the class names, no images.")] = False,
    again: Annotated[bool, Opt("Fetch existing files again and replace them.")] = False,
    mirror: Annotated[
        str | None, Opt("Try this server first, at URL/FILE-NAME. Checksums are checked as usual.", metavar="URL")
    ] = None,
    unverified_mirrors: Annotated[
        bool,
        Opt("Also use copies of images that no checksum covers, if they have every image of the split file."),
    ] = False,
) -> list[DatasetToFetch]:
    """The datasets that match names or patterns, to pass to `fetch_dataset`; raises UsageError for a synthetic one."""
    from bench.results import check_output_folder
    from datasets_registry import FetchOptions, dataset_sources, files_to_fetch, left_by_hand

    infos = [DATASETS.get(match) for name in opt.named_datasets(names) for match in DATASETS.match(name)]
    if data_root is None:
        raise UsageError("No folder to fetch into was given; pass --data-root FOLDER or set ETL_BENCH_DATA.")
    check_output_folder(data_root, "--data-root")
    sources = dataset_sources()
    for info in infos:
        if info.name not in sources:
            why = "is synthetic and needs no download" if info.synthetic else "is not one of the published datasets"
            raise UsageError(f"Dataset {info.name!r} {why}; `datasets fetch` knows {', '.join(sorted(sources))}.")
    options = FetchOptions(splits_only=splits_only, again=again, mirror=mirror, unverified_mirrors=unverified_mirrors)
    return [
        DatasetToFetch(
            info,
            source,
            tuple(files_to_fetch(info.name, source, data_root, options)[0]),
            left_by_hand(source, data_root, options),
            options,
        )
        for info in infos
        for source in [sources[info.name]]
    ]


def drawn_support(
    name: Name,
    *,
    shots: Annotated[str, Opt("Images per class, or all.")] = "16",
    seed: Annotated[int, Opt("Seed of the draw.", min=0)] = 1,
    draw: Draw = "coop",
    support: Annotated[str | None, Opt("Change the draw: imbalanced:FACTOR or noisy:RATE.")] = None,
    allow_fewer: AllowFewer = False,
    out: Annotated[Path | None, Opt("File to write; default: standard output.")] = None,
    data_root: DataRoot = None,
    force: Force = False,
) -> tuple[FewShotTask, str]:
    """A few-shot draw, and its images as JSON, which is also written to the file `out`; see `etl-bench datasets draw`.

    Raises UsageError for a malformed draw, and for a file that is not a draw, unless `force`; ShotsError if a class has
    too few images.
    """
    from bench.results import check_output_file, write_output
    from datasets_registry import (
        SupportRule,
        TaskRequest,
        build_task,
        is_support_rule,
        recorded_draw,
        support_manifest,
    )  # fmt: skip

    if out is not None:
        check_output_file(out, "--out", force=force, suffixes=(".json", ".txt"))
    info = get_dataset(name)
    how = recorded_draw(info, parse_choice(get_args(DrawRule), draw, "--draw"))
    splits = info.reader(data_root)
    numbers = parse_shots(shots)
    if len(numbers) != 1 or numbers[0] < 1:
        raise UsageError(f"--shots {shots!r} is not one number of at least 1, and not all.")
    all_images = numbers == [ALL_SHOTS]
    if support is not None and not is_support_rule(support):
        raise UsageError(f"--support {support!r} is not imbalanced:FACTOR or noisy:RATE.")
    if all_images and support is not None:
        raise UsageError(
            f"--support {support} changes a draw, and --shots all takes all images; leave one of them out."
        )
    rule = "all" if all_images else support
    task = build_task(
        TaskRequest(
            info,
            splits,
            protocol=EvalProtocol.FEW_SHOT,
            shots=numbers[0],
            seed=seed,
            draw=how,
            allow_fewer=allow_fewer,
            rule=None if rule is None else SupportRule.parse(rule),
        )
    )
    text = json.dumps(support_manifest(task), indent=1, ensure_ascii=False)
    if out is not None:
        write_output(out, f"{text}\n".encode(), force=force)
    return task, text
