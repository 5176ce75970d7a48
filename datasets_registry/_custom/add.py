"""Add a custom dataset: inspect the images, read them as a run would, and only then write the TOML file."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from datasets_registry._catalogue import DATASETS
from datasets_registry._custom.dataset import CustomDataset, Kind, SplitRule, describe_images, read_custom, to_toml
from datasets_registry._custom.table import ColumnNames, delimiter_name
from datasets_registry._errors import BenchError, DataError, RegistrationError
from datasets_registry._readers.image_suffixes import LEFT_OUT_ADVICE, describe_left_out
from datasets_registry._registry import NAME_PATTERN
from datasets_registry._types import DatasetInfo, DatasetSplits

USUAL_SHOTS = (16, 8, 4, 2, 1)


@dataclass(frozen=True)
class AddRequest:
    """The user's description of their images, a folder or a table.

    Args:
        title: the name in tables; `name` if empty.
        split: the split rule; None uses a given split if there is one.
        root: for a table, the folder its paths are relative to.
    """

    name: str
    images: Path
    template: str
    title: str
    split: SplitRule | None
    root: Path | None
    columns: ColumnNames


@dataclass(frozen=True)
class AddedDataset:
    """A dataset that was added: its entry, its configuration, the splits found, and its TOML file."""

    info: DatasetInfo
    config: CustomDataset
    splits: DatasetSplits
    file: Path

    @property
    def max_shots(self) -> int:
        """The largest usual number of shots that every class has; 0 if a class has no training image."""
        return next((shots for shots in USUAL_SHOTS if shots <= min(self._train_sizes())), 0)

    def facts(self) -> dict[str, object]:
        """The facts as plain values, for a table or JSON."""
        return {
            "name": self.info.name,
            "file": str(self.file),
            "kind": str(self.config.kind),
            **self._delimiter(),
            "split": str(self.config.split),
            "template": self.info.template,
            "classes": len(self.splits.class_names),
            "class_names": list(self.splits.class_names),
            "train_images": len(self.splits.train),
            "validation_images": len(self.splits.val),
            "test_images": len(self.splits.test),
            "smallest_class": min(self._train_sizes()),
            "most_shots": self.max_shots,
            "left_out": {kind: len(paths) for kind, paths in self.splits.left_out.items()},
        }

    def notes(self) -> Iterator[str]:
        """Caveats for the user before the first run, one line each."""
        names = self.splits.class_names
        if self.splits.left_out:
            yield f"note: left out: {describe_left_out(self.splits.left_out)}. {LEFT_OUT_ADVICE}"
        if self.config.split is SplitRule.EVEN:
            yield "note: few images, so each class is split evenly; images that you add later may move others."
        smallest, name = min(zip(self._train_sizes(), names, strict=True), key=lambda pair: pair[0])
        if smallest < USUAL_SHOTS[0]:
            yield f"note: class {name!r} has {smallest} training images; --shots can be at most {smallest}."
        tested = {sample.label for sample in self.splits.test}
        if untested := [name for label, name in enumerate(names) if label not in tested]:
            yield f"note: {len(untested)} classes have no test image, for example {untested[0]!r}."
        if numbers := [name for name in names if name.strip().isdecimal()]:
            yield (
                f"note: {len(numbers)} class names are numbers, such as {numbers[0]!r}, which mean nothing to CLIP. "
                f'Write words into `names` in {self.file}, such as names = {{ "{numbers[0]}" = "robin" }}.'
            )

    def _delimiter(self) -> dict[str, object]:
        """What separates the fields of a text table, under its name; empty for anything else."""
        table = self.config.kind is Kind.TABLE
        name = delimiter_name(self.config.place(self.file.parent)) if table else None
        return {} if name is None else {"delimiter": name}

    def _train_sizes(self) -> list[int]:
        counts = Counter(sample.label for sample in self.splits.train)
        return [counts[label] for label in range(len(self.splits.class_names))]


def add_dataset(request: AddRequest, folder: Path, *, replace: bool) -> AddedDataset:
    """Inspect the images, read them as a run would, decode one image per class, then write `folder/NAME.toml`.

    Raises:
        RegistrationError: the name is malformed or taken, or the file exists and `replace` is false.
        DataError: the images cannot be read, or the folder cannot be written.
    """
    file = folder / f"{request.name}.toml"
    _check_name(request.name, file, replace=replace)
    template, title = request.template, request.title or request.name
    found = describe_images(request.images, columns=request.columns, root=request.root, split=request.split)
    if template.count("{}") != 1:
        how = "more than one" if "{}" in template else "no"
        raise BenchError(f"--template {template!r} has {how} '{{}}' for the class name; write 'a photo of a {{}}.'")
    config = CustomDataset.model_validate(found.model_dump() | {"template": template, "title": title})
    splits = config.info(request.name, folder).reader(None)
    for sample in {sample.label: sample for sample in (*splits.test, *splits.train)}.values():
        splits.images.load(sample.key)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial = file.with_name(f".{file.name}.part{os.getpid()}")
        partial.write_text(to_toml(config), encoding="utf-8")
        partial.replace(file)
    except OSError as error:
        raise DataError(
            f"{file} cannot be written ({error}). Set ETL_BENCH_DATASETS to a writable folder, or give --user."
        ) from error
    return AddedDataset(read_custom(file), config, splits, file)


def _check_name(name: str, file: Path, *, replace: bool) -> None:
    if not NAME_PATTERN.fullmatch(name):
        raise RegistrationError(
            f"Dataset name {name!r} must match {NAME_PATTERN.pattern!r}: lower-case letters, digits and _, "
            f"starting with a letter."
        )
    if file.exists() and not replace:
        raise RegistrationError(f"{file} exists. Give --replace to overwrite it, or another name.")
    if name in DATASETS and not file.exists():
        raise RegistrationError(f"Dataset {name!r} is already in the catalogue. Give your images another name.")
