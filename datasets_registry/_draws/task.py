"""Builds a few-shot task from a dataset's splits, with a fingerprint of its contents."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from datasets_registry._draws import few_shot_draws
from datasets_registry._draws.few_shot_draws import (
    FewShotDraw,
    class_halves,
    draw_coop,
    draw_nested,
    select_classes,
    short_classes,
)
from datasets_registry._draws.held_out import Fold, hold_one_image_out, hold_out_fold
from datasets_registry._draws.support_lists import SupportList, resolve_support_list
from datasets_registry._draws.support_rules import SupportRule, apply_support_rule
from datasets_registry._draws.unlabelled import PoolRule, draw_pool
from datasets_registry._errors import DataError, ShotsError, some
from datasets_registry._readers.image_sources import decoding_rules
from datasets_registry._types import (
    ClassSet,
    DatasetInfo,
    DatasetSplits,
    DrawRule,
    EvalProtocol,
    EvalSplit,
    FewShotTask,
    Images,
    Sample,
    Sentences,
    SupportSet,
    UnlabelledImages,
    canonical_json,
    fingerprint,
    fingerprint_of_texts,
)

ClassTexts = Callable[[DatasetInfo, Sequence[str]], Sentences]
"""Returns sentences for the classes of a dataset."""
EvalTarget = tuple[DatasetInfo, DatasetSplits]
"""A dataset to evaluate on, with its splits."""


@dataclass(frozen=True)
class TaskRequest:
    """What a few-shot task trains and is evaluated on.

    Args:
        protocol: `few-shot` evaluates one split "all"; `base-to-new` evaluates "base" and "new", each with its own
            classes and labels from 0; `cross-dataset` and `domain-generalization` evaluate "all" of the source and one
            split per target, named after it, with all its classes and its own template.
        shots: images per class; with 0, the support set has classes but no images.
        targets: other datasets to evaluate on, for the last two protocols.
        support_list: the support images, for the rule `file`.
        texts: returns the sentences of classes; None uses the dataset's own template.
        allow_fewer: take all training images of a class that has fewer than `shots`; `FewShotTask.short` lists such
            classes.
        fold: part of the training images that is held out and evaluated instead of the test images.
        rule: a change of the drawn support set. With `all`, `shots` is ignored, and the task's `shots` is the rounded
            mean number of images per class.
        held_out_shot: move one image of each class from the support set to the validation images.
        pool: which images the method may learn from without labels; None for no pool.
    """

    info: DatasetInfo
    splits: DatasetSplits
    protocol: EvalProtocol
    shots: int
    seed: int
    draw: DrawRule
    targets: Sequence[EvalTarget] = ()
    support_list: SupportList | None = None
    texts: ClassTexts | None = None
    allow_fewer: bool = False
    fold: Fold | None = None
    rule: SupportRule | None = None
    held_out_shot: bool = False
    pool: PoolRule | None = None

    @property
    def takes_all_images(self) -> bool:
        """Whether the support set is the whole training part."""
        return self.rule is not None and self.rule.kind == "all"

    @property
    def training_labels(self) -> range:
        """Labels of the training classes: the base classes in base-to-new, else all classes."""
        n_classes = len(self.splits.class_names)
        return class_halves(n_classes)[0] if self.protocol is EvalProtocol.BASE_TO_NEW else range(n_classes)


def build_task(request: TaskRequest, shared: few_shot_draws.SharedParts | None = None) -> FewShotTask:
    """Draw the support set and assemble the evaluation splits.

    `shared` is one object for all tasks of a dataset that share what it says.

    The draw covers all classes. Base-to-new then keeps the base classes, so it trains on the same images of these
    classes as a few-shot run.

    The fingerprint covers dataset name, class names, template, protocol, draw rule, keys and labels of every list, and
    the content of the support images. Images that are scaled to 8 bits or turned upright (`decode_image`) are marked
    in every list.

    Raises:
        ShotsError: a class has fewer than `shots` images, or none with `allow_fewer` or after `rule`, or only one image
            with `held_out_shot`, or there are fewer unlabelled images than `pool` requests.
        DataError: there are too few classes, or more than the dataset's file says, an evaluation split is empty, a
            support image cannot be read, a target of domain generalization has a class that the source does not have,
            or a training image of the pool is a test image, too.

    Example:
        >>> from datasets_registry import DrawRule, EvalProtocol, TaskRequest, build_task, get_dataset
        >>> info = get_dataset("spectrum_basic")
        >>> protocol, draw = EvalProtocol.BASE_TO_NEW, "coop"
        >>> request = TaskRequest(info, info.reader(None), protocol, shots=2, seed=1, draw=draw)
        >>> task = build_task(request)
        >>> len(task.support), [(split.name, len(split.classes), len(split)) for split in task.evals]
        (24, [('base', 12, 360), ('new', 12, 360)])
    """
    _check_request(request)
    info, images = request.info, request.splits.images
    if request.fold is not None:
        request = replace(request, splits=hold_out_fold(request.splits, request.fold, dataset=info.name))
    draw, labels = _draw(request), request.training_labels
    train, val = select_classes(draw.train, labels), select_classes(draw.val, labels)
    shots = max(1, round(len(train) / len(labels))) if request.takes_all_images else request.shots
    # the dataset's labels, before any is changed; a label is a position in `classes`
    true_labels = {sample.key: sample.label for sample in train} | _true_labels(request)
    classes = _class_set((info, request.splits), labels, request.texts)
    if request.rule is not None:
        train = apply_support_rule(
            request.rule, train, shots=shots, seed=request.seed, dataset=info.name, class_names=classes.names
        )
    if request.held_out_shot:
        train, val = hold_one_image_out(train, classes.names)
    shared = shared or few_shot_draws.SharedParts()
    evals, _ = _evaluation(request, shared)
    support, validation = SupportSet(images, train, classes), SupportSet(images, val, classes)
    pool = _pool(request, labelled=(*train, *val))
    return FewShotTask(
        dataset=info.name,
        protocol=request.protocol,
        shots=shots,
        seed=request.seed,
        draw=request.draw,
        support=support,
        validation=validation,
        evals=evals,
        fingerprint=_task_fingerprint(request, support, validation, shared, pool),
        short=_short_classes(request),
        rule=None if request.rule is None else str(request.rule),
        relabelled={item.key: true_labels[item.key] for item in train if item.label != true_labels[item.key]},
        pool=pool,
    )


def _check_request(request: TaskRequest) -> None:
    info, protocol, n_classes = request.info, request.protocol, len(request.splits.class_names)
    if n_classes < 2:
        raise DataError(
            f"The split of dataset {info.name!r} has too few classes: {protocol} needs at least 2, but it has "
            f"{n_classes}. Use a split file that lists more classes."
        )
    if n_classes > info.num_classes:
        raise DataError(
            f"Dataset {info.name!r} has {n_classes} classes, but its file says num_classes={info.num_classes}. Correct "
            "that file."
        )
    if info.test_only and request.shots > 0:
        raise ShotsError(
            f"Dataset {info.name!r} is test-only and has no training images. Evaluate on it with --protocol "
            f"domain-generalization or cross-dataset and --targets {info.name}, or run zero_shot on it."
        )
    if (request.draw == "file") != (request.support_list is not None):
        raise DataError(
            f"Draw {request.draw} and a support list do not go together; use --draw file:PATH or --support PATH."
        )
    if protocol.transfers != bool(request.targets):
        needed = "at least one target dataset" if protocol.transfers else "no target dataset"
        raise DataError(f"Protocol {protocol} takes {needed}, but {len(request.targets)} were given; see --targets.")
    for info_of_target, splits in request.targets if protocol is EvalProtocol.DOMAIN_GENERALIZATION else ():
        if strange := [name for name in splits.class_names if name not in request.splits.class_names]:
            raise DataError(
                f"Target {info_of_target.name!r} has the class {strange[0]!r} ({len(strange)} such), which the source "
                f"{info.name!r} does not have; {protocol} needs the source's classes. Use --protocol "
                f"{EvalProtocol.CROSS_DATASET}."
            )


def _draw(request: TaskRequest) -> FewShotDraw:
    """The training and validation images of all classes."""
    info, splits, shots, fewer = request.info, request.splits, request.shots, request.allow_fewer
    if request.support_list is not None:
        return resolve_support_list(request.support_list, info, splits)
    if request.takes_all_images:  # above the size of every class, so that all images are taken and nothing is drawn
        shots, fewer = max(Counter(sample.label for sample in splits.train).values(), default=0) + 1, True
    nested = request.draw == "nested"
    draw: Callable[..., FewShotDraw] = partial(draw_nested, dataset=info.name) if nested else draw_coop
    names = splits.class_names
    return draw(splits.train, splits.val, shots=shots, seed=request.seed, class_names=names, allow_fewer=fewer)


def _true_labels(request: TaskRequest) -> dict[str, int]:
    """The true labels, as positions in the training classes, of images to which a list gives another label."""
    if request.support_list is None:
        return {}
    labels, names = request.training_labels, request.splits.class_names
    wrong = {item.path: item for item in request.support_list.train if item.true_label not in (None, item.label)}
    for item in wrong.values():
        if (item.label in labels) != (item.true_label in labels):
            raise DataError(
                f"Support list {request.support_list.source} gives an image of class "
                f"{names[item.true_label or 0]!r} the label of {names[item.label]!r}, and only one of them is a base "
                f"class of {request.info.name!r}. Run it with --protocol {EvalProtocol.FEW_SHOT}."
            )
    position = {label: i for i, label in enumerate(labels)}
    return {key: position[item.true_label] for key, item in wrong.items() if item.true_label in position}


def _evaluation(request: TaskRequest, shared: few_shot_draws.SharedParts) -> tuple[tuple[EvalSplit, ...], str]:
    """The evaluation splits of a request on the splits of its fold, and their contents as canonical JSON."""
    if request.fold not in shared.evaluations:
        splits = _evaluation_splits(request)
        rows = [[split.name, list(split.classes.names), _rows(split.samples, split.images)] for split in splits]
        shared.evaluations[request.fold] = splits, canonical_json(rows)
    return shared.evaluations[request.fold]


def _evaluation_splits(request: TaskRequest) -> tuple[EvalSplit, ...]:
    """The splits of the dataset itself, then one split per target."""
    own_data = request.info, request.splits
    if request.protocol is EvalProtocol.BASE_TO_NEW:
        base, new = class_halves(len(request.splits.class_names))
        return _eval_split("base", own_data, base, request.texts), _eval_split("new", own_data, new, request.texts)
    data_by_name = [("all", own_data), *((target[0].name, target) for target in request.targets)]
    return tuple(_eval_split(name, each, range(len(each[1].class_names)), request.texts) for name, each in data_by_name)


def _pool(request: TaskRequest, *, labelled: Sequence[Sample]) -> UnlabelledImages | None:
    """The unlabelled images of the request, without the `labelled` ones of the task; None without a pool."""
    if request.pool is None:
        return None
    splits, all_labels = request.splits, range(len(request.splits.class_names))
    labels = all_labels if request.pool.kind == "train+new" else request.training_labels
    return draw_pool(
        request.pool, splits.images, [sample for sample in splits.train if sample.label in labels], splits.test,
        drawn=labelled, seed=request.seed, dataset=request.info.name,
    )  # fmt: skip


def _short_classes(request: TaskRequest) -> dict[str, int]:
    """The number of training images of each class that has fewer than the requested shots, by name."""
    if request.support_list or request.takes_all_images:
        return {}
    names = request.splits.class_names
    few = short_classes(request.splits.train, shots=request.shots, n_classes=len(names))
    return {names[label]: size for label, size in few.items()}


def recorded_draw(info: DatasetInfo, rule: DrawRule) -> DrawRule:
    """The recorded name of a draw on a dataset: CoOp's draw over a sorted listing is called `coop-sorted`.

    Raises DataError for `coop-sorted` on a dataset with a published list.
    """
    if rule == "coop" and info.sorted_listing:
        return "coop-sorted"
    if rule == "coop-sorted" and not info.sorted_listing:
        raise DataError(
            f"Dataset {info.name!r} has published lists, so its draw is --draw coop; coop-sorted "
            f"is for datasets with only a folder listing."
        )
    return rule


def eval_fingerprint(splits: DatasetSplits, info: DatasetInfo) -> str:
    """Digest of the test list, class names and template, which determine zero-shot results and difficulty."""
    return fingerprint([info.name, list(splits.class_names), info.template, _rows(splits.test, splits.images)])


def _class_set(dataset: EvalTarget, labels: Sequence[int], texts: ClassTexts | None) -> ClassSet:
    info, splits = dataset
    names = tuple(splits.class_names[label] for label in labels)
    return ClassSet(names, info.template, texts(info, names) if texts else None, info.name)


def _eval_split(name: str, dataset: EvalTarget, labels: Sequence[int], texts: ClassTexts | None) -> EvalSplit:
    info, splits = dataset
    samples = select_classes(splits.test, labels)
    if not samples:
        without = some([repr(splits.class_names[label]) for label in labels], most=5)
        raise DataError(
            f"Dataset {info.name!r} has no test image of the classes {without}, so there is nothing to evaluate as "
            f"{name!r}. Give them test images in its split, or use --protocol {EvalProtocol.FEW_SHOT}."
        )
    groups = {sample.group for sample in splits.test if sample.group is not None}
    return EvalSplit(name, splits.images, samples, _class_set(dataset, labels, texts), tuple(sorted(groups)))


def _rows(samples: Sequence[Sample], images: Images) -> list[list[object]]:
    rules = decoding_rules(images, (sample.key for sample in samples))
    return [[s.key, s.label, *rules.get(s.key, ())] for s in samples]


def _keys(pool: UnlabelledImages) -> list[list[object]]:
    rules = decoding_rules(pool.images, pool.keys)
    return [[key, *rules.get(key, ())] for key in pool.keys]


def _task_fingerprint(
    request: TaskRequest,
    support: SupportSet,
    validation: SupportSet,
    shared: few_shot_draws.SharedParts,
    pool: UnlabelledImages | None,
) -> str:
    evals, rows = _evaluation(request, shared)
    for key in {sample.key for sample in support.samples} - shared.digests.keys():
        shared.digests[key] = support.images.digest(key)
    digests = [shared.digests[sample.key] for sample in support.samples]
    # parts that only some tasks have
    own_templates = [[split.classes.template for split in evals]] if request.protocol.transfers else []
    class_sets = [support.classes, *(split.classes for split in evals)]
    sentences = [["sentences", *(class_set.sentences for class_set in class_sets)]] if support.classes.sentences else []
    changed = [["support", str(request.rule)]] if request.rule else []
    unlabelled = [["unlabelled", str(request.pool), _keys(pool)]] if pool else []
    before = [
        request.info.name,
        request.info.template,
        request.protocol.value,
        request.draw,
        [list(support.classes.names), _rows(support.samples, support.images), digests],
        _rows(validation.samples, validation.images),
    ]
    after = [*own_templates, *sentences, *changed, *unlabelled]
    return fingerprint_of_texts([*map(canonical_json, before), rows, *map(canonical_json, after)])
