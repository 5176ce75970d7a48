"""One run from files of predictions. Every statement of a file is compared with the dataset and with our draw."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import bench
from bench._util.words import counted
from bench.experiment import OPEN, external_record
from bench.extensions.predictions.prediction_files import PredictionFile
from bench.record import ExternalCode, Predictions, Provenance, RunRecord
from bench.spec import ALL_SHOTS, EXTERNAL, OTHER_MODELS, ExperimentSpec, shots_text
from datasets_registry import (
    BenchError,
    DataError,
    DatasetInfo,
    EvalProtocol,
    EvalSplit,
    FewShotTask,
    Images,
    ListedImage,
    SupportList,
    SupportRule,
    TaskRequest,
    build_task,
    did_you_mean,
    few_shot_draws,
    get_dataset,
    image_sources,
    list_datasets,
    recorded_draw,
    spelling,
)

OPENAI_SHA256 = {
    "RN50": "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762",
    "RN101": "8fa8567bab74a42d41c5915025a8e4538c3bdbe8804a470a72f30b0d94fab599",
    "RN50x4": "7e526bd135e493cef0776de27d5f42653e6b4c8bf9e0f653bb11773263205fdd",
    "RN50x16": "52378b407f34354e150460fe41077663dd5b39c54cd0bfd2b27167a4a06ec9aa",
    "RN50x64": "be1cfb55d75a9666199fb2206c106743da0f6468c9d327f3e0d0a543a9919d9c",
    "ViT-B-32": "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af",
    "ViT-B-16": "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f",
    "ViT-L-14": "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836",
    "ViT-L-14-336": "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02",
}
"""SHA-256 of OpenAI's files of weights, from the addresses in clip/clip.py of openai/CLIP at dcba3cb."""


class DeclaredRun:
    """One run from its files. `notes` has what they state and nothing proves, one sentence each."""

    def __init__(
        self, files: Sequence[PredictionFile], dataset: str | None, backbone: str | None, data_root: Path | None
    ) -> None:
        self.files, self._backbone, self._data_root = files, backbone, data_root
        self.notes: list[str] = []
        self._dataset = dataset
        self._names = ", ".join(file.source.name for file in files)
        trained = [file for file in files if file.head.trained]
        if not trained:
            raise DataError(
                f"{self._names}: none of these is from the process that trained, so it is unknown which images the "
                "method saw. Give that file as well."
            )
        self.trained, self.head = trained[0], trained[0].head
        if len(trained) > 1:
            raise DataError(
                f"{self._names}: {len(trained)} of these are from a training with method {self.head.method}, seed "
                f"{self.head.seed} and {self.head.shots} shots. One run has one training; give different `settings` in "
                "the heads of different variants."
            )
        self.info = self._info(self.trained)

    def _info(self, file: PredictionFile) -> DatasetInfo:
        if self._dataset is None or file.head.dataset != self.trained.head.dataset:
            return dataset_called(file.head.dataset, file.source)
        info = get_dataset(self._dataset)
        with suppress(DataError):  # a name that is not known here contradicts nothing
            if (stated := dataset_called(file.head.dataset, file.source)).name != info.name:
                self.notes.append(f"{file.source.name}: its head says {stated.name}, and -d says {info.name}.")
        return info

    @cached_property
    def protocol(self) -> EvalProtocol:
        """The protocol that the class sets of the files belong to."""
        of_targets = [file for file in self.files if file.head.dataset != self.head.dataset]
        parts = Counter(file.head.classes for file in self.files if file not in of_targets)
        if twice := [part for part, count in parts.items() if count > 1]:
            problem = f"{parts[twice[0]]} files have the {twice[0]} classes; give one of them."
            raise DataError(f"{self._names}: {problem}")
        if self.head.classes == "new":
            raise DataError(f"{self.trained.source}: a training on the new classes is no protocol of the harness.")
        if self.head.classes == "base":
            if "new" not in parts:
                raise DataError(
                    f"{self.trained.source} has the base classes only. Give the file of the new classes as well."
                )
            return EvalProtocol.BASE_TO_NEW
        return EvalProtocol.CROSS_DATASET if of_targets else EvalProtocol.FEW_SHOT

    @cached_property
    def targets(self) -> list[tuple[DatasetInfo, PredictionFile]]:
        """The other datasets and their files, by name."""
        if self.protocol is not EvalProtocol.CROSS_DATASET:
            return []
        pairs = [(self._info(file), file) for file in self.files if file is not self.trained]
        return sorted(pairs, key=lambda pair: pair[0].name)

    def made(self) -> tuple[RunRecord, list[Predictions]]:
        """The record and its predictions; raises DataError for a statement that is wrong."""
        task, support = self._task()
        files = {info.name: file for info, file in self.targets}
        if self.protocol is EvalProtocol.BASE_TO_NEW:
            files = {file.head.classes: file for file in self.files}
        scores = {split.name: self._checked(files.get(split.name, self.trained), [split]) for split in task.evals}
        opened = next((file for file in self.files if file.head.classes == "all"), None)
        if self.protocol is EvalProtocol.BASE_TO_NEW and opened is not None:
            scores[OPEN] = self._checked(opened, few_shot_draws.among_all_names(*task.evals))
        spec = self._spec(task, support)
        return external_record(spec, task, scores, self._provenance(task))

    def _task(self) -> tuple[FewShotTask, str | None]:
        """The task with our draw if the file has the same images, else with the images of the file as a list."""
        head, source = self.head, self.trained.source
        splits = self.info.reader(self._data_root)
        how = recorded_draw(self.info, "coop")
        shared: dict[str, Any] = {
            "protocol": self.protocol,
            "seed": head.seed,
            "targets": [(info, info.reader(self._data_root)) for info, _ in self.targets],
        }
        if not head.train and head.shots:
            raise DataError(f"{source} states {counted(head.shots, 'shot')} and lists no training images.")
        if not head.train:
            task = build_task(TaskRequest(self.info, splits, shots=0, draw=how, **shared))
            return task, None
        keys = _Keys(sample.key for sample in (*splits.train, *splits.val))
        train = [(self._known(keys, item[0]), item[1]) for item in head.train]
        val = [(self._known(keys, item[0]), item[1]) for item in head.val]
        items = zip([*train, *val], [*head.train, *head.val], strict=True)
        self._check_digests(splits.images, [(key, item[2]) for (key, _), item in items if len(item) == 3], source)
        if head.shots:
            all_images = SupportRule("all") if head.shots < 0 else None
            shots = max(head.shots, 0)
            request = TaskRequest(
                self.info, splits, shots=shots, draw=how, allow_fewer=all_images is None, rule=all_images, **shared
            )
            task = build_task(request)
            if [(sample.key, sample.label) for sample in task.support.samples] == train:
                drawn = [(sample.key, sample.label) for sample in task.validation.samples]
                if val and val != drawn:
                    self.notes.append(f"{source.name}: its validation images are not those of our draw.")
                return task, None if all_images is None else str(all_images)
        what = shots_text(ALL_SHOTS if head.shots < 0 else head.shots)
        self.notes.append(
            f"{source.name}: its training images are not our draw of {what} with seed {head.seed}, "
            "so the run is stored with its own list of images and is not paired with runs on our draw."
        )
        digest = hashlib.sha256(repr((train, val)).encode()).hexdigest()[:32]
        most = max(Counter(label for _, label in train).values())
        images = (tuple(ListedImage(key, label) for key, label in part) for part in (train, val))
        listed = SupportList(source, digest, self.info.name, most, head.seed, *images)
        request = TaskRequest(self.info, splits, shots=listed.shots, draw="file", support_list=listed, **shared)
        try:
            return build_task(request), listed.digest
        except BenchError as error:
            raise DataError(f"{source}: its training images do not fit {self.info.name}: {error}") from error

    def _known(self, keys: _Keys, path: str) -> str:
        if (key := keys.key(path)) is not None:
            return key
        test = _Keys(sample.key for sample in self.info.reader(self._data_root).test)
        what = "is a test image" if test.key(path) else "is neither a training nor a validation image"
        raise DataError(f"{self.trained.source}: the training image {path!r} {what} of {self.info.name}.")

    def _checked(self, file: PredictionFile, parts: Sequence[EvalSplit]) -> NDArray[np.float64]:
        """The scores of a file in the order of the images of one split, or of several splits of the same classes."""
        classes, head, source = parts[0].classes, file.head, file.source
        names = [name.replace("_", " ") for name in head.class_names]
        if names != list(classes.prompt_names):
            raise DataError(f"{source}: {_other_names(names, classes.prompt_names)}")
        samples = [sample for part in parts for sample in part.samples]
        keys = _Keys(sample.key for sample in samples)
        place: dict[str, int] = {}
        unknown, twice = [], []
        for position, path in enumerate(file.keys):
            key = keys.key(path)
            if key is None:
                unknown.append(path)
            elif key in place:
                twice.append(path)
            else:
                place[key] = position
        missing = [sample.key for sample in samples if sample.key not in place]
        where = f"the {len(samples)} test images of {self._info(file).name}"
        where += f" ({head.classes} classes)" if head.classes != "all" else ""
        for problem, some in (
            (f"{len(unknown)} images are not among {where}", unknown),
            (f"{len(twice)} images are listed twice", twice),
            (f"{len(missing)} of {where} are missing", missing),
        ):
            if some:
                raise DataError(f"{source}: {problem}, first {some[0]!r}.")
        order = np.array([place[sample.key] for sample in samples])
        labels = np.array([sample.label for sample in samples])
        if wrong := np.flatnonzero(file.labels[order] != labels).tolist():
            first = samples[wrong[0]]
            raise DataError(
                f"{source}: the labels of {len(wrong)} of {len(samples)} test images are not those of the dataset, "
                f"first {first.key!r} with {file.labels[order][wrong[0]]} instead of {first.label}."
            )
        if file.sha256 is not None:
            stated = [(sample.key, file.sha256[place[sample.key]]) for sample in samples]
            self._check_digests(parts[0].images, stated, source)
        scores: NDArray[np.float64] = file.scores[order]
        return scores

    def _check_digests(self, images: Images, stated: Sequence[tuple[str, str]], source: Path) -> None:
        """Compare the digests that a file states with those of the images, by key; raises DataError."""
        wrong = []
        for key, digest in stated:
            if digest != images.digest(key):
                content = image_sources.image_as_file(images, key)
                wrong += [key] if digest != hashlib.sha256(content).hexdigest() else []
        if wrong:
            raise DataError(
                f"{source}: {counted(len(wrong), 'image file')} of {len(stated)} have other bytes than those on disk, "
                f"first {wrong[0]!r}."
            )

    def _spec(self, task: FewShotTask, support: str | None) -> ExperimentSpec:
        head = self.head
        name = re.sub(r"[^A-Za-z0-9_.+/-]+", "_", head.method)
        stated = {"repository": _public_address(head.repository), "commit": head.commit, "model": head.model}
        stated = {key: value for key, value in stated.items() if value}
        clashing = head.settings.keys() & stated.keys()
        if clashing:
            raise DataError(f"{self.trained.source}: a setting must not be called {', '.join(sorted(clashing))}.")
        return ExperimentSpec(
            method=f"{EXTERNAL}{name}",
            config=stated | head.settings,
            recipe=None,
            backbone=self.backbone,
            dataset=self.info.name,
            task_fingerprint=task.fingerprint,
            draw=task.draw,
            protocol=self.protocol,
            shots=task.shots,
            seed=head.seed,
            targets=tuple(info.name for info, _ in self.targets),
            support=support,
            allow_fewer=bool(task.short),
        )

    @cached_property
    def backbone(self) -> str:
        """Slug of the backbone; `OTHER_MODELS` for a model that is not a CLIP."""
        from methods import parse_backbone

        if self.head.model:
            if self._backbone:
                raise DataError(
                    f"{self.trained.source} is of the model {self.head.model!r}, which is not a CLIP; leave out "
                    f"-b {self._backbone}, or name a `backbone` in its head."
                )
            return OTHER_MODELS
        architecture = self.head.backbone.replace("/", "-").replace("@336px", "-336")
        text = self._backbone or f"{architecture}.openai"
        try:
            return parse_backbone(text).slug
        except BenchError as error:
            raise DataError(
                f"{self.trained.source} names the backbone {self.head.backbone!r}, which is not known here ({error}) "
                "Give its name with -b."
            ) from error

    def _provenance(self, task: FewShotTask) -> Provenance:
        head, source = self.head, self.trained.source.name
        public_digest = (
            OPENAI_SHA256.get(self.backbone.removesuffix(".openai")) if self.backbone.endswith(".openai") else None
        )
        if head.backbone_sha256 is not None and public_digest is not None and head.backbone_sha256 != public_digest:
            raise DataError(
                f"{self.trained.source}: its weights are not OpenAI's {self.backbone.removesuffix('.openai')}: their "
                f"SHA-256 begins with {head.backbone_sha256[:12]}, not {public_digest[:12]}. Name them with -b."
            )
        images = all(file.sha256 is not None for file in self.files)
        evaluations = sum(file.head.tests_so_far for file in self.files)
        usual = len(self.files)
        stated = (
            " It states their public digest."
            if public_digest is not None and head.backbone_sha256 == public_digest
            else ""
        )
        model = head.model or self.backbone
        self.notes.append(f"{source}: nothing proves that its weights are those of {model}.{stated}")
        if not images:
            self.notes.append(f"{source}: without digests, nothing proves that its images are those of the dataset.")
        if evaluations > usual:
            self.notes.append(
                f"{source}: the test images were evaluated {evaluations} times, so a choice may have used them."
            )
        if head.changed_files or not (head.commit or head.model):
            self.notes.append(f"{source}: its code is not a commit without changes.")
        return Provenance(
            package_version=bench.__version__,
            git_commit=None,
            git_dirty=None,
            python="",
            platform="",
            packages={"torch": head.torch} if head.torch else {},
            device="unknown",
            threads=0,
            backbone_digest="",
            support_digests=[task.support.images.digest(sample.key) for sample in task.support.samples],
            true_labels=dict(task.relabelled),
            external=ExternalCode(
                title=head.method,
                repository=_public_address(head.repository),
                commit=head.commit,
                changed_files=head.changed_files,
                command=head.command,
                torch=head.torch,
                weights_asked=[head.model or head.backbone],
                weights_proved=False,
                images_proved=images,
                test_evaluations=evaluations,
                own_draw=task.draw == "file",
                uses=None if head.uses is None else [str(extra) for extra in head.uses],
            ),
        )


def _public_address(address: str) -> str:
    """An address without user name and password."""
    return re.sub(r"(?<=://)[^/@]*@", "", address)


class _Keys:
    """Finds the key of an image from a path that ends with it, or that has the same last two parts."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys = set(keys)
        ends: dict[str, set[str]] = {}
        for key in self._keys:
            ends.setdefault(_end(key), set()).add(key)
        self._ends = {end: keys_of_end.pop() for end, keys_of_end in ends.items() if len(keys_of_end) == 1}

    def key(self, path: str) -> str | None:
        parts = path.replace("\\", "/").split("/")
        for start in range(len(parts)):
            if (ending := "/".join(parts[start:])) in self._keys:
                return ending
        return self._ends.get(_end("/".join(parts)))


def _end(key: str) -> str:
    return "/".join(key.split("/")[-2:])


def _other_names(stated: Sequence[str], expected: Sequence[str]) -> str:
    if sorted(stated) == sorted(expected):
        return (
            f"its class names are those of the dataset in another order, first {stated[0]!r} instead of "
            f"{expected[0]!r}; order labels and scores as the dataset does."
        )
    if len(stated) != len(expected):
        return f"it has {len(stated)} class names, and the dataset has {len(expected)} here."
    pairs = [(a, b) for a, b in zip(stated, expected, strict=True) if a != b]
    return f"{len(pairs)} of {len(expected)} class names differ, first {pairs[0][0]!r} instead of {pairs[0][1]!r}."


def dataset_called(name: str, source: Path) -> DatasetInfo:
    """The dataset of that name, title, or name in CoOp's code; raises DataError with near misses."""
    by_name: Mapping[str, DatasetInfo] = {
        spelling(text): info for info in list_datasets() for text in (info.coop_name, info.title, info.name)
    }
    if (dataset := by_name.get(spelling(name))) is not None:
        return dataset
    hint = did_you_mean(name.casefold(), sorted({info.name for info in by_name.values()}), most=1)
    raise DataError(f"{source} is of the dataset {name!r}, which is not in the registry.{hint} Give its name with -d.")
