"""Makes a feature pack: plans a sweep, and writes what its runs and others read of the frozen towers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench._util.words import counted
from bench.errors import UsageError
from bench.extensions.packs.contents import (
    CONTENTS,
    PACK,
    PackContents,
    PackedDataset,
    PackedLists,
    PackedTower,
    PackedViews,
    text_list,
)
from bench.extensions.packs.reads import OWN, Scale, reads_of, reads_towers
from bench.extensions.packs.stored import StoredPack, stored_pack
from bench.results import write_archive
from bench.spec import ALL_SHOTS, ExperimentSpec, shots_value
from bench.sweep import SweepRequest, context_of, expand
from datasets_registry import (
    COLLECTIONS,
    ClassSet,
    DatasetInfo,
    DatasetSplits,
    EvalProtocol,
    FewShotTask,
    Images,
    Sample,
    SupportKind,
    SupportRule,
    TaskRequest,
    build_task,
    datasets_of,
    few_shot_draws,
    get_dataset,
    has_imported_features,
    image_sources,
    recorded_draw,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from methods import Backbone

_MANY_RUNS = 1000
TOGETHER = 4096
"""Images whose features are computed, and then freed from memory, at once."""
Draws = Mapping[int, Sequence[FewShotTask]]
"""The tasks of a dataset by seed."""
Encode = Callable[[Images, Sequence[Sample], Any], "NDArray[np.float32]"]


def write_pack(asked: SweepRequest, out: Path, progress: Callable[[str], None], *, force: bool) -> StoredPack:
    """Write the pack of a request; see `make_pack`."""
    planned = _checked(asked, progress)
    drawn = {name: _drawn(asked, get_dataset(name)) for name in dict.fromkeys(spec.dataset for spec in planned)}
    write_archive(PACK, _Maker(asked, planned, drawn, progress).files(), out, force=force, packed=False)
    return stored_pack(out)


def datasets_in(names: Sequence[str]) -> list[str]:
    """The names, with the datasets of collections in their place."""
    return list(
        dict.fromkeys(one for name in names for one in (datasets_of([name]) if name in COLLECTIONS else [name]))
    )


def _checked(request: SweepRequest, progress: Callable[[str], None]) -> tuple[ExperimentSpec, ...]:
    """The planned runs; raises UsageError for what cannot be in a pack."""
    from methods import parse_backbone

    request.check_devices()
    if request.supports:
        raise UsageError(f"--draw {request.draw}: a feature pack takes the name of a draw, such as coop.")
    if len(request.backbones) != 1:
        raise UsageError(f"-b {','.join(request.backbones)} names several backbones; a feature pack has one.")
    found = parse_backbone(request.backbones[0])
    if has_imported_features(found.slug) or found.path is not None:
        raise UsageError(
            f"-b {found.slug}: a feature pack names its backbone for others, so it must be one of open_clip or the hub."
        )
    planned = expand(request)
    for spec in planned.specs:
        if reason := reads_towers(spec.method):
            raise UsageError(f"-m {spec.method}: {reason}")
    for item in planned.rejected:
        progress(f"left out: {item.what}: {item.reason}")
    return planned.specs


def _drawn(request: SweepRequest, info: DatasetInfo) -> Draws:
    """The tasks of a dataset by seed; none if it has no training images. Raises ShotsError if it has too few."""
    from bench.experiment import read_splits

    if info.test_only:
        return {}
    splits, draw = read_splits(info.name, request.data_root), recorded_draw(info, request.draw_rule)
    every = SupportRule(SupportKind.ALL)
    rules = [(0, every) if shots == ALL_SHOTS else (shots, None) for shots in request.shots]
    return {
        seed: [
            build_task(
                TaskRequest(
                    info, splits, EvalProtocol.FEW_SHOT, shots, seed, draw, allow_fewer=request.allow_fewer, rule=rule
                )
            )
            for shots, rule in rules
        ]
        for seed in request.seeds
    }


@dataclass
class _Maker:
    """Computes the files of a pack, one dataset after the other."""

    request: SweepRequest
    planned: Sequence[ExperimentSpec]
    drawn: Mapping[str, Draws]
    progress: Callable[[str], None]
    facts: list[PackedDataset] = field(default_factory=list)

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Names and contents of all files; the facts come last."""
        import torch

        from bench.experiment import backbone_spec, device_arithmetic, load_inputs
        from methods import Precision

        # as many threads as the workers of a sweep have, since the last bits of a feature depend on them
        context = context_of(self.request, _MANY_RUNS)
        torch.set_num_threads(context.threads)
        with device_arithmetic(context.device, Precision.FP32):
            spec = backbone_spec(self.planned[0].backbone, context.weights)
            inputs = load_inputs(spec, context.device, Precision.FP32, context.cache_dir, context.cache_limit)

            def encode(images: Images, samples: Sequence[Sample], view: Any) -> NDArray[np.float32]:
                some = [samples[i : i + TOGETHER] for i in range(0, len(samples), TOGETHER)]
                parts = [inputs.features_of_views(images, one, [view], kept=False)[0].cpu().numpy() for one in some]
                return np.concatenate(parts)

            for number, name in enumerate(self.drawn):
                yield from self._dataset(number, name, inputs.backbone, encode)
        tower = inputs.backbone
        contents = PackContents(
            tower=PackedTower(
                slug=tower.slug,
                digest=tower.digest,
                arithmetic=tower.arithmetic,
                dim=tower.embed_dim,
                logit_scale=tower.logit_scale,
                logit_bias=tower.logit_bias,
            ),
            datasets=tuple(self.facts),
        )
        yield CONTENTS, contents.model_dump_json(indent=1).encode()

    def _dataset(self, number: int, name: str, backbone: Backbone, encode: Encode) -> Iterator[tuple[str, bytes]]:
        from bench.experiment import CENTER_VIEW, read_splits, views_for_epoch
        from methods import Recipe

        info, splits = get_dataset(name), read_splits(name, self.request.data_root)
        drawn = self.drawn[name]
        packed = _Images(splits, drawn)
        yield f"{number}.json", packed.lists().model_dump_json().encode()
        yield f"{number}-images.f32", _bytes(encode(splits.images, packed.samples, CENTER_VIEW))
        scales, templates = self._reads(info, drawn)
        views = [
            PackedViews(crop_scale=scale, seed=seed, count=count) for scale, count in scales.items() for seed in drawn
        ]
        for place, some in enumerate(views):
            shown = Recipe(views=some.count, crop_scale=some.crop_scale)
            for i in range(some.count):
                rows = encode(splits.images, packed.support(some.seed), views_for_epoch(shown, some.seed, i))
                yield f"{number}-{place}-{i}.f32", _bytes(rows)
        texts = _texts(info, splits, backbone, templates)
        yield f"{number}-texts.f32", _bytes(np.concatenate(list(texts.values())))
        self.facts.append(
            PackedDataset(
                name=name,
                title=info.title,
                licence=info.licence,
                homepage=info.homepage,
                draw=str(recorded_draw(info, self.request.draw_rule)),
                shots=tuple(str(shots_value(shots)) for shots in self.request.shots) if drawn else (),
                seeds=tuple(drawn),
                images=len(packed.samples),
                views=tuple(views),
                templates=tuple(sorted(templates)),
                texts=tuple((text, len(rows)) for text, rows in texts.items()),
            )
        )
        warning = "" if info.licence_is_known else "; no licence is known: ask the owner before you share the pack"
        self.progress(f"{name}: {counted(len(packed.samples), 'image')}, licence {info.licence}{warning}")

    def _reads(self, info: DatasetInfo, drawn: Draws) -> tuple[dict[Scale, int], set[tuple[str, bool]]]:
        """Views by crop scale, and templates, that the planned runs read of a dataset."""
        scales: dict[Scale, int] = {}
        templates: set[tuple[str, bool]] = set()
        sizes = {task.shots: len(task.support) for tasks in drawn.values() for task in tasks}
        for spec in self.planned:
            if info.name in (spec.dataset, *spec.targets):
                found = reads_of(spec, sizes.get(spec.shots, 0))
                templates |= {(info.template if one == OWN else one, keep) for one, keep in found.templates}
                for scale, count in found.views.items() if info.name == spec.dataset else ():
                    scales[scale] = max(scales.get(scale, 0), count)
        return scales, templates


class _Images:
    """The images of a dataset that a pack has: test images, and those of all draws."""

    def __init__(self, splits: DatasetSplits, drawn: Draws) -> None:
        self._splits = splits
        self._by_seed = {
            seed: list(dict.fromkeys(sample.key for task in tasks for sample in task.support.samples))
            for seed, tasks in drawn.items()
        }
        held = [sample.key for tasks in drawn.values() for task in tasks for sample in task.validation.samples]
        keys = [
            *(sample.key for sample in splits.test),
            *held,
            *(key for some in self._by_seed.values() for key in some),
        ]
        self.samples = [Sample(key, -1) for key in dict.fromkeys(keys)]

    def support(self, seed: int) -> list[Sample]:
        """The support images of a seed, for all shots."""
        return [Sample(key, -1) for key in self._by_seed[seed]]

    def lists(self) -> PackedLists:
        """The lists of all images, and of those of the pack."""
        splits = self._splits
        listed = [*splits.train, *splits.val, *splits.test]
        place, row = ({key: i for i, key in reversed(list(enumerate(keys)))} for keys in (splits.keys, self._keys))
        rules = image_sources.decoding_rules(splits.images, self._keys)
        return PackedLists(
            class_names=splits.class_names,
            keys=tuple(sample.key for sample in listed),
            labels=tuple(sample.label for sample in listed),
            groups=tuple(sample.group for sample in listed) if any(sample.group for sample in listed) else None,
            parts=(len(splits.train), len(splits.val), len(splits.test)),
            images=tuple(place[key] for key in self._keys),
            digests=tuple(splits.images.digest(key) for key in self._keys),
            rules={row[key]: tuple(found) for key, found in rules.items()},
            support={seed: tuple(row[key] for key in keys) for seed, keys in self._by_seed.items()},
        )

    @property
    def _keys(self) -> list[str]:
        return [sample.key for sample in self.samples]


def _texts(
    info: DatasetInfo, splits: DatasetSplits, backbone: Backbone, templates: set[tuple[str, bool]]
) -> dict[str, NDArray[np.float32]]:
    """The features of the texts of all, base and new classes under each template, by the name of their list."""
    names = splits.class_names
    halves = few_shot_draws.class_halves(len(names))
    found: dict[str, NDArray[np.float32]] = {}
    for labels in (range(len(names)), *halves):
        classes = ClassSet(tuple(names[label] for label in labels), info.template, dataset=info.name)
        for template, keep in sorted(templates):
            listed = text_list(classes.texts(template, keep_underscores=keep))
            if listed not in found:
                found[listed] = backbone.class_texts(classes, template, keep_underscores=keep).cpu().numpy()
    return found


def _bytes(rows: NDArray[np.float32]) -> bytes:
    return np.ascontiguousarray(rows, dtype="<f4").tobytes()
