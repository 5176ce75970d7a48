"""An open pack: plans runs, and gives them splits, images with features, and a backbone without towers."""

from __future__ import annotations

import os
import weakref
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from bench.extensions.packs.contents import (
    CONTENTS,
    PACK,
    PackContents,
    PackedDataset,
    PackedLists,
    PackError,
    checked_model,
)
from bench.extensions.packs.reads import OWN, reads_of, reads_test_views, reads_towers
from bench.results import OpenArchive, file_stamp, open_archive, stamp_of
from bench.spec import ExperimentSpec
from datasets_registry import DatasetSplits, FewShotTask, Sample, feature_bundle, get_dataset, some

if TYPE_CHECKING:
    from methods import Backbone

IN_MEMORY = 2**30
"""Bytes of features that a process keeps; those used last stay."""
Rows = NDArray[np.float32]


def stored_pack(path: Path) -> StoredPack:
    """The pack in a file, opened once per process while the file stays the same; raises PackError for another file."""
    try:
        stamp = stamp_of(path.stat())
    except OSError as error:
        raise PackError(
            f"The feature pack {path} cannot be read ({error.strerror}); give a file that `{PACK.command}` wrote."
        ) from None
    return _opened(path.absolute(), stamp)


@lru_cache(maxsize=4)
def _opened(path: Path, stamp: str) -> StoredPack:
    return StoredPack(path, stamp)


class StoredPack:
    """The pack in a file, whose list and facts have been checked. Every file of it is checked when it is read.

    `stamp` is its `file_stamp`. Raises PackError for another or a damaged file.
    """

    def __init__(self, path: Path, stamp: str) -> None:
        self.path, self._stamp, self._process = path, stamp, 0
        self.digest = self._archive().root
        self.contents = self._model(PackContents, CONTENTS)
        self.slug, self.backbone_digest = self.contents.tower.slug, self.contents.tower.digest
        self._rows: OrderedDict[str, Rows] = OrderedDict()
        self.lists, self._splits = cache(self._read_lists), cache(self._read_splits)

    def check(self) -> None:
        """Read every file and compare it with its digest and the facts; raises PackError."""
        expected = self.sizes()
        if odd := sorted(map(repr, expected.keys() ^ set(self._archive().names))):
            raise PACK.damaged(self.path, f"its contents and its files disagree on {some(odd, most=3)}")
        for name, rows in expected.items():
            content = self._read(name)
            if rows is not None:
                self.rows_of(name, content, rows)

    def dataset(self, name: str) -> tuple[int, PackedDataset]:
        """Number and facts of a dataset; raises PackError for one that the pack lacks."""
        if name not in self.contents.names:
            have = ", ".join(self.contents.names)
            raise PackError(f"the feature pack {self.path.name} lacks it. It has {have}.")
        number = self.contents.names.index(name)
        return number, self.contents.datasets[number]

    def splits(self, dataset: str) -> DatasetSplits:
        """See `FeaturePack.splits`."""
        return self._splits(dataset)

    def _read_splits(self, dataset: str) -> DatasetSplits:
        number, facts = self.dataset(dataset)
        lists = self.lists(number)
        groups = lists.groups or [None] * len(lists.keys)
        samples = [Sample(*each) for each in zip(lists.keys, lists.labels, groups, strict=True)]
        first, second = lists.parts[0], sum(lists.parts[:2])
        parts = tuple(samples[:first]), tuple(samples[first:second]), tuple(samples[second:])
        return DatasetSplits(PackedImages(self, number, facts), lists.class_names, *parts, layout="feature pack")

    def lacks(self, spec: ExperimentSpec, task: FewShotTask) -> str | None:
        """See `FeaturePack.lacks`."""
        if spec.backbone != self.slug:
            return f"the feature pack {self.path.name} has features of {self.slug} only; use -b {self.slug}."
        if spec.precision != "fp32":
            return "the features of a pack are in fp32; leave out --precision."
        if reason := reads_towers(spec.method):
            return reason
        if reads_test_views(spec):
            return f"it reads views of test images, and a pack has none; use --set {spec.method}.views=0."
        if spec.class_text is not None:
            return "a feature pack has the texts of templates only; leave out --class-text."
        return self._lacking_images(task) or self._lacking_reads(spec, task)

    def _lacking_images(self, task: FewShotTask) -> str | None:
        sets = (task.support, task.validation)
        parts = [("images", one.images, [sample.key for sample in one.samples]) for one in sets]
        parts += [("images", one.images, [sample.key for sample in one.samples]) for one in task.evals]
        parts += [("unlabelled images", task.pool.images, list(task.pool.keys))] if task.pool else []
        for what, images, keys in parts:
            if isinstance(images, PackedImages) and images.lacks(keys):
                return (
                    f"the feature pack lacks its {what} of {images.name}; it has test images and "
                    f"{self.drawn(images.name)}."
                )
        return None

    def drawn(self, dataset: str) -> str:
        """The draws of a dataset in words."""
        facts = self.dataset(dataset)[1]
        shots, seeds = ", ".join(facts.shots) or "none", ", ".join(map(str, facts.seeds)) or "none"
        return f"those of draw {facts.draw}, shots {shots}, seeds {seeds}"

    def _lacking_reads(self, spec: ExperimentSpec, task: FewShotTask) -> str | None:
        reads = reads_of(spec, len(task.support))
        facts = self.dataset(spec.dataset)[1]
        held = {(one.crop_scale, one.seed): one.count for one in facts.views}
        for scale, count in reads.views.items():
            if held.get((scale, spec.seed), 0) < count:
                return (
                    f"it reads {count} augmented views of each support image of {spec.dataset}, which the feature pack "
                    f"lacks; make it with `datasets pack -m {spec.method}`."
                )
        for name in (spec.dataset, *spec.targets):
            own, templates = get_dataset(name).template, self.dataset(name)[1].templates
            for template, keep in sorted(reads.templates):
                if (filled := own if template == OWN else template, keep) not in templates:
                    return (
                        f"it reads the class texts {filled!r} of {name}, which the feature pack lacks; make it with "
                        f"`datasets pack -m {spec.method}`."
                    )
        return None

    def backbone(self, device: str) -> Backbone:
        """See `FeaturePack.backbone`."""
        from bench.extensions.packs.packed_backbone import PackedBackbone  # imports torch

        return PackedBackbone(self.contents.tower, self.texts, device)

    def texts(self, name: str) -> Rows:
        """The features of a list of texts by its name; raises PackError for one that the pack lacks."""
        for number, facts in enumerate(self.contents.datasets):
            first = 0
            for other, n in facts.texts:
                if other == name:
                    return self.rows(f"{number}-texts.f32", sum(n for _, n in facts.texts))[first : first + n]
                first += n
        raise PackError(f"The feature pack {self.path} lacks class texts that the method reads; run it with weights.")

    def rows(self, name: str, n: int) -> Rows:
        """The rows of a file, `(n, dim)`."""
        if name not in self._rows:
            self._rows[name] = self.rows_of(name, self._read(name), n)
        self._rows.move_to_end(name)
        while sum(rows.nbytes for rows in self._rows.values()) > IN_MEMORY and len(self._rows) > 1:
            self._rows.popitem(last=False)
        return self._rows[name]

    def rows_of(self, name: str, content: bytes, n: int) -> Rows:
        """The rows in the content of a file; raises PackError for another number of them, or one that is not finite."""
        dim = self.contents.tower.dim
        if len(content) != 4 * n * dim:
            raise PACK.damaged(self.path, f"{name} does not have {n} features of {dim} numbers")
        rows = np.frombuffer(content, dtype="<f4").reshape(n, dim).astype(np.float32)
        if not np.isfinite(rows).all():
            raise PACK.damaged(self.path, f"{name} has numbers that are not finite")
        return rows

    def sizes(self) -> dict[str, int | None]:
        """The files that the contents promise, with their number of rows; None for one that is not of features."""
        found: dict[str, int | None] = {CONTENTS: None}
        for number, facts in enumerate(self.contents.datasets):
            lists = self.lists(number)
            found |= {f"{number}.json": None, f"{number}-images.f32": facts.images}
            found[f"{number}-texts.f32"] = sum(n for _, n in facts.texts)
            for place, views in enumerate(facts.views):
                rows = len(lists.support.get(views.seed, ()))
                found |= {f"{number}-{place}-{i}.f32": rows for i in range(views.count)}
        return found

    def _archive(self) -> OpenArchive:
        """The open file, of this process alone, since processes must not share a place in it."""
        if self._process != os.getpid():
            opened = ExitStack()
            self._open = opened.enter_context(open_archive(PACK, self.path))
            self._process = os.getpid()
            weakref.finalize(self, opened.close)
        return self._open

    def _read(self, name: str) -> bytes:
        archive = self._archive()
        if file_stamp(self.path) != self._stamp or archive.root != self.digest or name not in archive.names:
            raise PACK.damaged(self.path, f"it lacks {name}, or changed while it was used")
        return archive.read(name)

    def _read_lists(self, number: int) -> PackedLists:
        lists: PackedLists = self._model(PackedLists, f"{number}.json")
        if len(lists.images) != self.contents.datasets[number].images:
            raise PACK.damaged(self.path, f"{number}.json and {CONTENTS} have different numbers of images")
        return lists

    def _model(self, model: Any, name: str) -> Any:
        content = self._read(name)
        try:
            return checked_model(model, content)
        except ValueError as error:
            raise PACK.damaged(self.path, f"{name} is not valid ({error})") from error


class PackedImages(feature_bundle.FeatureRows):
    """The images of one dataset of a pack, with features in place of pixels."""

    def __init__(self, pack: StoredPack, number: int, facts: PackedDataset) -> None:
        super().__init__(facts.name, {})
        self._pack, self._number, self._facts, self._lists = pack, number, facts, pack.lists(number)
        self._row_of = {self._lists.keys[place]: row for row, place in enumerate(self._lists.images)}

    def lacks(self, keys: Iterable[str]) -> bool:
        """Whether the pack has no features of some images."""
        return not set(keys) <= self._row_of.keys()

    def digest(self, key: str) -> str:
        """The stated digest of an image; raises PackError for one that the pack lacks."""
        return self._lists.digests[self._place(key)]

    def decoding_rules(self, key: str) -> list[str]:
        """The rules that changed the pixels of an image."""
        return list(self._lists.rules.get(self._row_of.get(key, -1), ()))

    def rows(self, keys: Sequence[str], view: str) -> Rows:
        """Features of the keys under a view, shape `(n, dim)`."""
        places = [self._place(key) for key in keys]
        if view in self._views:
            name, row_of = self._views[view]
            if not set(places) <= row_of.keys():
                self._refuse()
            rows = self._pack.rows(name, len(row_of))
            return rows[[row_of[place] for place in places]]
        if view != self._centre:
            raise PackError(f"The feature pack {self._pack.path} lacks the view {view} of {self.name}.")
        return self._pack.rows(f"{self._number}-images.f32", self._facts.images)[places]

    @cached_property
    def _centre(self) -> str:
        from bench.experiment import CENTER_VIEW  # imports torch

        return CENTER_VIEW.key

    @cached_property
    def _views(self) -> Mapping[str, tuple[str, dict[int, int]]]:
        """The file of each augmented view by its key, and the row in it of each support image."""
        from bench.experiment import views_for_epoch
        from methods import Recipe

        found = {}
        for place, views in enumerate(self._facts.views):
            row_of = {row: i for i, row in enumerate(self._lists.support.get(views.seed, ()))}
            shown = Recipe(views=views.count, crop_scale=views.crop_scale)
            for i in range(views.count):
                key = views_for_epoch(shown, views.seed, i).key
                found[key] = f"{self._number}-{place}-{i}.f32", row_of
        return found

    def _place(self, key: str) -> int:
        if key not in self._row_of:
            self._refuse()
        return self._row_of[key]

    def _refuse(self) -> NoReturn:
        raise PackError(
            f"the feature pack {self._pack.path.name} has other images of {self.name}: the test images and "
            f"{self._pack.drawn(self.name)}."
        )
