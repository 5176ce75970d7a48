"""Makes a feature pack: plans a sweep, and stores what its runs and others read of the frozen towers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench._util.words import counted
from bench.errors import UsageError
from bench.extensions.packs.contents import (
    CONTENTS,
    MOST_DATASETS,
    MOST_FILES,
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
from bench.spec import ALL_SHOTS, shots_value
from bench.sweep import Expansion, SweepRequest, context_of, expand
from datasets_registry import (
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
Encode = Callable[[Images, Sequence[str], Any], bytes]
"""The features of one view of the images with these keys."""


def write_pack(asked: SweepRequest, out: Path, progress: Callable[[str], None], *, force: bool) -> StoredPack:
    """Make the pack of a request; see `make_pack`."""
    planned = _checked(asked, progress)
    parts = [_part(asked, planned, name) for name in dict.fromkeys(spec.dataset for spec in planned.specs)]
    files = 1 + sum(3 + sum(part.scales.values()) * len(part.drawn) for part in parts)
    for n, what, most in ((len(parts), "datasets", MOST_DATASETS), (files, "files", MOST_FILES)):
        if n > most:
            raise UsageError(
                f"The pack would have {n:,} {what}, and at most {most:,} are allowed. Name fewer datasets, methods or "
                "seeds."
            )
    write_archive(PACK, _Maker(asked, parts, progress).files(), out, force=force, packed=False)
    return stored_pack(out)


def _checked(request: SweepRequest, progress: Callable[[str], None]) -> Expansion:
    """The planned runs; raises UsageError for what cannot be in a pack."""
    from methods import parse_backbone

    request.check_devices()
    if request.protocol.transfers:
        raise UsageError(
            f"--protocol {request.protocol}: its runs read what few-shot runs on the source and on the targets read; "
            f"name all of these datasets, with --protocol {EvalProtocol.FEW_SHOT}."
        )
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
    return planned


@dataclass(frozen=True)
class _Part:
    """What a pack has of a dataset.

    Args:
        drawn: the tasks by seed; none without training images.
        scales: number of views by crop scale.
        templates: templates of class texts, with whether class names keep their underscores.
    """

    info: DatasetInfo
    splits: DatasetSplits
    drawn: Mapping[int, Sequence[FewShotTask]]
    scales: Mapping[Scale, int]
    templates: Set[tuple[str, bool]]


def _part(request: SweepRequest, planned: Expansion, name: str) -> _Part:
    """What the planned runs read of a dataset. Raises ShotsError if it has too few training images."""
    info, splits = get_dataset(name), planned.splits[name]
    assert splits is not None, "runs are planned on datasets that were read"
    drawn = {} if info.test_only else _drawn(request, info, splits)
    sizes = {task.shots: len(task.support) for tasks in drawn.values() for task in tasks}
    scales: dict[Scale, int] = {}
    templates: set[tuple[str, bool]] = set()
    for spec in planned.specs:
        if spec.dataset == name:
            found = reads_of(spec, sizes.get(spec.shots, 0))
            templates |= {(info.template if one == OWN else one, keep) for one, keep in found.templates}
            scales |= {scale: max(scales.get(scale, 0), count) for scale, count in found.views.items()}
    return _Part(info, splits, drawn, scales, templates)


def _drawn(request: SweepRequest, info: DatasetInfo, splits: DatasetSplits) -> dict[int, list[FewShotTask]]:
    draw, every = recorded_draw(info, request.draw_rule), SupportRule(SupportKind.ALL)
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
    parts: Sequence[_Part]
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
            spec = backbone_spec(self.request.backbones[0], context.weights)
            inputs = load_inputs(spec, context.device, Precision.FP32, context.cache_dir, context.cache_limit)

            def encode(images: Images, keys: Sequence[str], view: Any) -> bytes:
                samples = [Sample(key, -1) for key in keys]
                some = [samples[i : i + TOGETHER] for i in range(0, len(samples), TOGETHER)]
                parts = [inputs.features_of_views(images, one, [view], kept=False)[0].cpu().numpy() for one in some]
                return _bytes(np.concatenate(parts))

            for number, part in enumerate(self.parts):
                yield from self._dataset(number, part, inputs.backbone, encode)
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

    def _dataset(self, number: int, part: _Part, backbone: Backbone, encode: Encode) -> Iterator[tuple[str, bytes]]:
        from bench.experiment import CENTER_VIEW, views_for_epoch
        from methods import Recipe

        info, images = part.info, part.splits.images
        support = {
            seed: list(dict.fromkeys(sample.key for task in tasks for sample in task.support.samples))
            for seed, tasks in part.drawn.items()
        }
        validation = [
            sample.key for tasks in part.drawn.values() for task in tasks for sample in task.validation.samples
        ]
        test = [sample.key for sample in part.splits.test]
        keys = list(dict.fromkeys([*test, *validation, *chain.from_iterable(support.values())]))
        yield f"{number}.json", _lists(part.splits, keys, support).model_dump_json().encode()
        yield f"{number}-images.f32", encode(images, keys, CENTER_VIEW)
        views = [
            PackedViews(crop_scale=scale, seed=seed, count=count)
            for scale, count in part.scales.items()
            for seed in part.drawn
        ]
        for place, some in enumerate(views):
            shown = Recipe(views=some.count, crop_scale=some.crop_scale)
            for i in range(some.count):
                view = views_for_epoch(shown, some.seed, i)
                yield f"{number}-{place}-{i}.f32", encode(images, support[some.seed], view)
        texts = _texts(part, backbone)
        yield f"{number}-texts.f32", _bytes(np.concatenate(list(texts.values())))
        self.facts.append(
            PackedDataset(
                name=info.name,
                title=info.title,
                licence=info.licence,
                homepage=info.homepage,
                draw=str(recorded_draw(info, self.request.draw_rule)),
                shots=tuple(str(shots_value(shots)) for shots in self.request.shots) if part.drawn else (),
                seeds=tuple(part.drawn),
                images=len(keys),
                views=tuple(views),
                templates=tuple(sorted(part.templates)),
                texts=tuple((text, len(rows)) for text, rows in texts.items()),
            )
        )
        warning = "" if info.licence_is_known else "; no licence is known: ask the owner before you share the pack"
        self.progress(f"{info.name}: {counted(len(keys), 'image')}, licence {info.licence}{warning}")


def _lists(splits: DatasetSplits, keys: Sequence[str], support: Mapping[int, Sequence[str]]) -> PackedLists:
    """The lists of all images, and of those of the pack, which have these keys."""
    listed = [*splits.train, *splits.val, *splits.test]
    place, row = ({key: i for i, key in reversed(list(enumerate(some)))} for some in (splits.keys, keys))
    rules = image_sources.decoding_rules(splits.images, keys)
    return PackedLists(
        class_names=splits.class_names,
        keys=tuple(sample.key for sample in listed),
        labels=tuple(sample.label for sample in listed),
        groups=tuple(sample.group for sample in listed) if any(sample.group for sample in listed) else None,
        parts=(len(splits.train), len(splits.val), len(splits.test)),
        images=tuple(place[key] for key in keys),
        digests=tuple(splits.images.digest(key) for key in keys),
        rules={row[key]: tuple(found) for key, found in rules.items()},
        support={seed: tuple(row[key] for key in some) for seed, some in support.items()},
    )


def _texts(part: _Part, backbone: Backbone) -> dict[str, NDArray[np.float32]]:
    """The features of the texts of all, base and new classes under each template, by the name of their list."""
    info, names = part.info, part.splits.class_names
    found: dict[str, NDArray[np.float32]] = {}
    for labels in (range(len(names)), *few_shot_draws.class_halves(len(names))):
        classes = ClassSet(tuple(names[label] for label in labels), info.template, dataset=info.name)
        for template, keep in sorted(part.templates):
            listed = text_list(classes.texts(template, keep_underscores=keep))
            if listed not in found:
                found[listed] = backbone.class_texts(classes, template, keep_underscores=keep).cpu().numpy()
    return found


def _bytes(rows: NDArray[np.float32]) -> bytes:
    return np.ascontiguousarray(rows, dtype="<f4").tobytes()
