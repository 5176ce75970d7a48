"""Builds a few-shot task from a dataset's splits, with a fingerprint of its contents."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypedDict

from datasets_registry._draws.folds import Fold, hold_out
from datasets_registry._draws.hold_one_out import hold_one_out
from datasets_registry._draws.manifest import SupportList, resolve
from datasets_registry._draws.splits import class_halves, draw_coop, draw_nested, select_classes, short_classes
from datasets_registry._draws.support_rules import SupportKind, SupportRule, apply_rule
from datasets_registry._errors import DataError, ShotsError, some
from datasets_registry._readers.files import decoding_rules
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
    fingerprint,
)

ClassTexts = Callable[[DatasetInfo, Sequence[str]], Sentences]
"""Returns sentences for the classes of a dataset."""
Target = tuple[DatasetInfo, DatasetSplits]
"""A dataset to evaluate on, with its splits."""


class _DrawRule(TypedDict):
    shots: int
    seed: int
    class_names: Sequence[str]
    allow_fewer: bool


def build_task(
    info: DatasetInfo,
    splits: DatasetSplits,
    *,
    protocol: EvalProtocol,
    shots: int,
    seed: int,
    draw: DrawRule,
    targets: Sequence[Target] = (),
    support_list: SupportList | None = None,
    texts: ClassTexts | None = None,
    allow_fewer: bool = False,
    fold: Fold | None = None,
    rule: SupportRule | None = None,
    held_out_shot: bool = False,
) -> FewShotTask:
    """Draw the support set and assemble the evaluation splits.

    The draw covers all classes. Base-to-new then keeps the base classes, so it trains on the same images of these
    classes as a few-shot run. With `shots=0`, the support set has classes but no images.

    Args:
        protocol: `few-shot` evaluates one split "all"; `base-to-new` evaluates "base" and "new", each with its own
            classes and labels from 0; `cross-dataset` and `domain-generalization` evaluate "all" of the source and one
            split per target, named after it, with all its classes and its own template.
        shots: images per class.
        targets: other datasets to evaluate on, for the last two protocols.
        support_list: the support images, for the rule `file`.
        texts: returns the sentences of classes; None uses the dataset's own template.
        allow_fewer: take all training images of a class that has fewer than `shots`; `FewShotTask.short` lists such
            classes.
        fold: part of the training images that is held out and evaluated instead of the test images.
        rule: a change of the drawn support set. With `all`, `shots` is ignored, and the task's `shots` is the rounded
            mean number of images per class.
        held_out_shot: move one image of each class from the support set to the validation images.

    The fingerprint covers dataset name, class names, template, protocol, draw rule, keys and labels of every list, and
    the content of the support images. Images that are scaled to 8 bits or turned upright (`decode_image`) are marked
    in every list.

    Raises:
        ShotsError: a class has fewer than `shots` images, or none with `allow_fewer` or after `rule`, or only one image
            with `held_out_shot`.
        DataError: there are too few classes, an evaluation split is empty, a support image cannot be read, or a target
            of domain generalization has a class that the source does not have.

    Example:
        >>> from datasets_registry import DrawRule, EvalProtocol, build_task, get_dataset
        >>> info = get_dataset("spectrum_basic")
        >>> task = build_task(
        ...     info, info.reader(None), protocol=EvalProtocol.BASE_TO_NEW, shots=2, seed=1, draw=DrawRule.COOP
        ... )
        >>> len(task.support), [(split.name, len(split.classes), len(split)) for split in task.evals]
        (24, [('base', 12, 360), ('new', 12, 360)])
    """
    n_classes = len(splits.class_names)
    if n_classes < 2:
        raise DataError(
            f"The split of dataset {info.name!r} has too few classes: {protocol} needs at least 2, but it has "
            f"{n_classes}. Use a split file that lists more classes."
        )
    if info.test_only and shots > 0:
        raise ShotsError(
            f"Dataset {info.name!r} is test-only and has no training images. Evaluate on it with --protocol "
            f"domain-generalization or cross-dataset and --targets {info.name}, or run zero_shot on it."
        )
    if (draw is DrawRule.FILE) != (support_list is not None):
        raise DataError(f"Draw {draw} and a support list do not go together; use --draw file:PATH or --support PATH.")
    if fold is not None:
        splits = hold_out(splits, fold, dataset=info.name)
    names = splits.class_names
    every = rule is not None and rule.kind is SupportKind.ALL
    if every:  # above the size of every class, so that all images are taken and nothing is drawn
        shots, allow_fewer = max(Counter(sample.label for sample in splits.train).values(), default=0) + 1, True
    few = {} if support_list or every else short_classes(splits.train, shots=shots, n_classes=n_classes)
    how: _DrawRule = {"shots": shots, "seed": seed, "class_names": names, "allow_fewer": allow_fewer}
    if support_list is not None:
        drawn = resolve(support_list, info, splits)
    elif draw is DrawRule.NESTED:
        drawn = draw_nested(splits.train, splits.val, dataset=info.name, **how)
    else:
        drawn = draw_coop(splits.train, splits.val, **how)
    trained, scored = range(n_classes), {"all": range(n_classes)}
    if protocol is EvalProtocol.BASE_TO_NEW:
        trained, new = class_halves(n_classes)
        scored = {"base": trained, "new": new}
    _check_targets(info, splits, protocol, targets)

    classes = _class_set(info, splits, trained, texts)
    samples = select_classes(drawn.train, trained)
    if every:
        shots = max(1, round(len(samples) / len(trained)))
    true = {sample.key: sample.label for sample in samples}
    if support_list is not None:
        true |= _true_labels(support_list, info, splits, trained)
    if rule is not None:
        samples = apply_rule(rule, samples, shots=shots, seed=seed, dataset=info.name, class_names=classes.names)
    selecting = select_classes(drawn.val, trained)
    if held_out_shot:
        samples, selecting = hold_one_out(samples, classes.names)
    support = SupportSet(splits.images, samples, classes)
    validation = SupportSet(splits.images, selecting, classes)
    evals = tuple(_eval_split(name, info, splits, labels, texts) for name, labels in scored.items()) + tuple(
        replace(_eval_split("all", other, found, range(len(found.class_names)), texts), name=other.name)
        for other, found in targets
    )
    short = {names[label]: size for label, size in few.items()}
    mark = _task_fingerprint(info, protocol, draw, rule, support=support, validation=validation, evals=evals)
    return FewShotTask(
        dataset=info.name,
        protocol=protocol,
        shots=shots,
        seed=seed,
        draw=draw,
        support=support,
        validation=validation,
        evals=evals,
        fingerprint=mark,
        short=short,
        rule=None if rule is None else str(rule),
        relabelled={sample.key: true[sample.key] for sample in samples if sample.label != true[sample.key]},
    )


def _true_labels(
    support_list: SupportList, info: DatasetInfo, splits: DatasetSplits, trained: Sequence[int]
) -> dict[str, int]:
    """The true labels, as positions in `trained`, of images to which a list gives another label."""
    wrong = {item.path: item for item in support_list.train if item.true_label not in (None, item.label)}
    for item in wrong.values():
        if (item.label in trained) != (item.true_label in trained):
            raise DataError(
                f"Support list {support_list.source} gives an image of class "
                f"{splits.class_names[item.true_label or 0]!r} the label of {splits.class_names[item.label]!r}, and "
                f"only one of them is a base class of {info.name!r}. Run it with --protocol {EvalProtocol.FEW_SHOT}."
            )
    position = {label: i for i, label in enumerate(trained)}
    return {key: position[item.true_label] for key, item in wrong.items() if item.true_label in position}


def _check_targets(info: DatasetInfo, splits: DatasetSplits, protocol: EvalProtocol, targets: Sequence[Target]) -> None:
    if protocol.transfers != bool(targets):
        needed = "at least one target dataset" if protocol.transfers else "no target dataset"
        raise DataError(f"Protocol {protocol} takes {needed}, but {len(targets)} were given; see --targets.")
    if protocol is EvalProtocol.DOMAIN_GENERALIZATION:
        for other, found in targets:
            if strange := [name for name in found.class_names if name not in splits.class_names]:
                raise DataError(
                    f"Target {other.name!r} has the class {strange[0]!r} ({len(strange)} such), which the source "
                    f"{info.name!r} does not have; {protocol} needs the source's classes. Use --protocol "
                    f"{EvalProtocol.CROSS_DATASET}."
                )


def recorded_draw(info: DatasetInfo, rule: DrawRule) -> DrawRule:
    """The recorded name of a draw on a dataset: CoOp's draw over a sorted listing is called `coop-sorted`.

    Raises DataError for `coop-sorted` on a dataset with a published list.
    """
    if rule is DrawRule.COOP and info.sorted_listing:
        return DrawRule.COOP_SORTED
    if rule is DrawRule.COOP_SORTED and not info.sorted_listing:
        raise DataError(
            f"Dataset {info.name!r} has published lists, so its draw is --draw {DrawRule.COOP}; {DrawRule.COOP_SORTED} "
            f"is for datasets with only a folder listing."
        )
    return rule


def eval_fingerprint(splits: DatasetSplits, info: DatasetInfo) -> str:
    """Digest of the test list, class names and template, which determine zero-shot results and difficulty."""
    return fingerprint([info.name, list(splits.class_names), info.template, _rows(splits.test, splits.images)])


def _class_set(info: DatasetInfo, splits: DatasetSplits, labels: Sequence[int], texts: ClassTexts | None) -> ClassSet:
    names = tuple(splits.class_names[label] for label in labels)
    return ClassSet(names, info.template, texts(info, names) if texts else None, info.name)


def _eval_split(
    name: str, info: DatasetInfo, splits: DatasetSplits, labels: Sequence[int], texts: ClassTexts | None
) -> EvalSplit:
    samples = select_classes(splits.test, labels)
    if not samples:
        without = some([repr(splits.class_names[label]) for label in labels], most=5)
        raise DataError(
            f"Dataset {info.name!r} has no test image of the {name} classes {without}, so there is nothing to "
            f"evaluate. Give them test images in its split, or use --protocol {EvalProtocol.FEW_SHOT}."
        )
    return EvalSplit(name, splits.images, samples, _class_set(info, splits, labels, texts))


def _rows(samples: Sequence[Sample], images: Images) -> list[list[object]]:
    rules = decoding_rules(images, (sample.key for sample in samples))
    return [[s.key, s.label, *rules.get(s.key, ())] for s in samples]


def _task_fingerprint(
    info: DatasetInfo,
    protocol: EvalProtocol,
    draw: DrawRule,
    rule: SupportRule | None,
    *,
    support: SupportSet,
    validation: SupportSet,
    evals: Sequence[EvalSplit],
) -> str:
    digests = [support.images.digest(sample.key) for sample in support.samples]
    # parts that only some tasks have, so that older fingerprints of other tasks stay valid
    own_templates = [[split.classes.template for split in evals]] if protocol.transfers else []
    class_sets = [support.classes, *(split.classes for split in evals)]
    sentences = [["sentences", *(one.sentences for one in class_sets)]] if support.classes.sentences else []
    changed = [["support", str(rule)]] if rule else []
    return fingerprint(
        [
            info.name,
            info.template,
            protocol.value,
            draw.value,
            [list(support.classes.names), _rows(support.samples, support.images), digests],
            _rows(validation.samples, validation.images),
            [[split.name, list(split.classes.names), _rows(split.samples, split.images)] for split in evals],
            *own_templates,
            *sentences,
            *changed,
        ]
    )
