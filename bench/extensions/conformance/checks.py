"""The twelve properties that every method must have, each tested by one function on a tiny backbone."""

from __future__ import annotations

import inspect
import itertools
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from types import FrameType
from typing import Any, get_args

import numpy as np
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from bench.experiment import train_step
from bench.extensions.conformance.subject import (
    OTHER_CLASSES,
    OTHER_TASK,
    SHIFTED_TASK,
    TASK,
    Subject,
    author_place,
    tiny_backbone,
)
from datasets_registry import NAME_PATTERN, BenchError, ClassSet, EvalProtocol
from methods import (
    ClosedVocabularyError,
    Family,
    Method,
    MethodConfig,
    MethodError,
    StreamClassifier,
    SupportImagesError,
    TrainableMethod,
    cosine_logits,
    count_parameters,
)

ROUNDING = 1e-5
"""Relative difference allowed in single precision for another batch size or order."""
AMBIGUOUS = 0.5
"""Tolerated relative advantage of another class order; a method with one vector for all classes only rotates them."""
RARE_SEED = 7_368_787
"""A seed that no method is likely to use."""
CITATION_KEYS = {"title", "author", "year"}


class CheckFailedError(BenchError, AssertionError):
    """A method fails a check."""


class CheckOutcome(StrEnum):
    """Outcome of a check; `skipped` if it does not apply to the method."""

    PASSED = "pass"
    FAILED = "FAIL"
    SKIPPED = "skip"


@dataclass(frozen=True)
class Check:
    """One property of every method.

    Args:
        promise: the property, which is the first line of the function's docstring.
        remedy: what to do after a failure.
        test: raises CheckFailedError, or any error of the method; returns why it does not apply, or None.
        essential: whether the other checks are pointless after a failure.
    """

    name: str
    promise: str
    remedy: str
    test: Callable[[Subject], str | None]
    essential: bool = False


@dataclass(frozen=True)
class Result:
    """Result of one check of one method.

    Args:
        check: its name; `promise` is that of the check.
        message: the reason of a failure or skip.
        remedy: what to do after a failure; empty otherwise.
    """

    check: str
    outcome: CheckOutcome
    promise: str
    message: str = ""
    remedy: str = ""


CHECKS: dict[str, Check] = {}
"""All checks by name, in the order in which they run."""
_Test = Callable[[Subject], str | None]


def check(remedy: str, *, essential: bool = False) -> Callable[[_Test], _Test]:
    """Decorator: register a function as a check, with its name and the first line of its docstring."""

    def add(test: _Test) -> _Test:
        promise = (inspect.getdoc(test) or "").partition("\n")[0]
        CHECKS[test.__name__] = Check(test.__name__, promise, remedy, test, essential)
        return test

    return add


def run_check(check: Check, subject: Subject) -> Result:
    """Run one check on one method. Any error that the method raises is a failure of the check."""
    try:
        skipped = check.test(subject)
    except CheckFailedError as failure:
        return Result(check.name, CheckOutcome.FAILED, check.promise, str(failure), check.remedy)
    except Exception as error:  # a method may raise anything, and the other checks must still run
        # errors of methods name their place themselves
        frames = [] if isinstance(error, MethodError) else traceback.extract_tb(error.__traceback__)
        place = author_place(((frame.filename, frame.lineno or 0) for frame in frames), subject.file)
        message = f"{type(error).__name__}: {' '.join(str(error).split())}{place}"
        return Result(check.name, CheckOutcome.FAILED, check.promise, message, check.remedy)
    return Result(check.name, CheckOutcome.SKIPPED if skipped else CheckOutcome.PASSED, check.promise, skipped or "")


def run_checks(subject: Subject) -> Iterator[Result]:
    """Run all checks on one method, in order; stops after a failed essential check."""
    for each in CHECKS.values():
        result = run_check(each, subject)
        yield result
        if each.essential and result.outcome is CheckOutcome.FAILED:
            return


def ensure(holds: bool, message: str) -> None:
    """Fail the check with that message unless it holds."""
    if not holds:
        raise CheckFailedError(message)


def ensure_equal(found: Tensor, expected: Tensor, message: str, *, tolerance: float = 0.0) -> None:
    """Fail the check unless two tensors are equal, up to a tolerance relative to the largest expected value."""
    ensure(found.shape == expected.shape, f"{message}: shapes {tuple(found.shape)} and {tuple(expected.shape)}")
    worst = float((found - expected).abs().max()) if found.numel() else 0.0
    allowed = tolerance * max(1.0, float(expected.abs().max())) if tolerance else 0.0
    ensure(worst <= allowed, f"{message}: they differ by up to {worst:.2e}")  # false also where a value is NaN


@check(
    "Correct this first; the other checks need it. Return plain float32 logits of images x classes. If they are not "
    "finite, look for log(0), division by 0, overflowing exp, and a variance over the images of one class.",
    essential=True,
)
def it_runs(subject: Subject) -> None:
    """It prepares, trains and classifies with only what it declares, also with one shot, and its logits are finite."""
    for task in (TASK, replace(TASK, shots=1)):
        logits = subject.evaluation_logits(subject.finished if task is TASK else subject.trained(task))
        expected, case = (len(TASK.labels), len(TASK.classes)), "1 shot" if task.shots == 1 else f"{task.shots} shots"
        ensure(logits.shape == expected, f"logits are {tuple(logits.shape)}, expected {expected}: images x classes")
        unfinite = int((~logits.isfinite()).sum())
        ensure(not unfinite, f"{unfinite} of {logits.numel()} logits are not finite, with {case}")
        ensure(logits.dtype == torch.float32, f"logits are {logits.dtype}, expected float32")
        ensure(not logits.requires_grad, "logits carry gradients, although evaluation runs without")


@check(
    "Give every random operation `generator=self.generator`, and make layers of torch.nn inside "
    "`with methods.drawn_from(self.generator):`. "
    "For numpy, draw a seed: `np.random.default_rng(int(torch.randint(2**31, (), generator=self.generator)))`. Draw "
    "nothing while classifying: no dropout, no random views. Iterate over nothing unordered.",
    essential=True,
)
def random_numbers_come_from_its_generator(subject: Subject) -> None:
    """Random numbers come from the generator that it was given, and none are drawn while it classifies."""
    support, batch = subject.support(), subject.batch(labelled=True)
    _ = TASK.values  # draws the toy images before recording
    method, finished = subject.built(seed=RARE_SEED), subject.finished
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(RARE_SEED)  # otherwise a method that sets a seed may reproduce this state by chance
        before = _global_states()
        with RandomDraws(method.generator, subject.file) as draws:
            method.prepare(support)
            if isinstance(method, TrainableMethod):
                method.backward(batch)
        ensure(not draws.foreign, f"{draws} drew from another generator")
        with RandomDraws(None, subject.file) as draws:
            subject.evaluation_logits(finished)
        ensure(not draws.foreign, f"{draws} drew random numbers while classifying")
        ensure(_global_states() == before, "the global random state of torch or numpy was consumed or seeded")
        torch.manual_seed(torch.initial_seed() + 1)
        again = subject.evaluation_logits(subject.trained())
    ensure_equal(again, subject.evaluation_logits(finished), "logits of two runs with the same seed")


def _global_states() -> tuple[bytes, str]:
    # not Python's own state, since the array type checkers of the tests draw from it
    return torch.get_rng_state().numpy().tobytes(), repr(np.random.get_state())


class RandomDraws(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records which functions of torch draw from anything but one generator, and the line in the author's file.

    Args:
        allowed: generator that may be used; None for no draw at all.
        author: file of the method.
    """

    def __init__(self, allowed: torch.Generator | None, author: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.allowed, self.author = allowed, author
        self.foreign: dict[str, str] = {}

    def __str__(self) -> str:
        return ", ".join(f"{what}{place}" for what, place in sorted(self.foreign.items()))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if torch.Tag.nondeterministic_seeded in func.tags and not self._is_allowed(func, args, kwargs):
            frame: FrameType | None = sys._getframe()
            frames = []
            while frame is not None:
                frames.append((frame.f_code.co_filename, frame.f_lineno))
                frame = frame.f_back
            self.foreign.setdefault(
                func._schema.name.removeprefix("aten::"), author_place(reversed(frames), self.author)
            )
        return func(*args, **kwargs)

    def _is_allowed(self, func: Any, args: Any, kwargs: Any) -> bool:
        arguments = {
            argument.name: value for argument, value in zip(func._schema.arguments, args, strict=False)
        } | kwargs
        if arguments.get("dropout_p", 0.0) == 0 and "attention" in func._schema.name:
            return True  # attention draws only for dropout
        if any(isinstance(value, Tensor) and value.is_meta for value in args):
            return True  # a tensor without storage is not filled
        generator = arguments.get("generator")
        if generator is None or self.allowed is None:
            return False
        return torch.equal(generator.get_state(), self.allowed.get_state())  # the dispatcher wraps the generator again


@check(
    "Fill in every field of MethodInfo, and replace each EDIT. The citation is a BibTeX entry with one field per line, "
    "`  title = {...},`. Each setting has a description with the source of its default. A trained method has "
    "recipes, each with its `source`, and another method has none."
)
def facts_are_complete(subject: Subject) -> None:
    """Its facts, citation, settings and recipes are complete, and no placeholder is left."""
    info = subject.info
    ensure(bool(NAME_PATTERN.fullmatch(info.name)), f"the name {info.name!r} must match {NAME_PATTERN.pattern!r}")
    ensure(bool(info.title.strip()), "the title is empty")
    ensure(info.summary.endswith("."), f"the summary {info.summary!r} is not a sentence that ends with a full stop")
    families = get_args(Family)
    ensure(info.family in families, f"family {info.family!r} is not one of {', '.join(families)}")
    docstring = inspect.getdoc(inspect.getmodule(subject.method))
    ensure(bool(docstring), "its module has no docstring")
    texts = {"its module's docstring": docstring, "the summary": info.summary, "the citation": info.citation}
    texts |= {f"the setting {key}": field.description for key, field in info.config.model_fields.items()}
    texts |= {f"the source of the recipe for {protocol}": recipe.source for protocol, recipe in info.recipes.items()}
    placeholders = [what for what, text in texts.items() if re.search(r"\bEDIT\b", text or "")]
    ensure(not placeholders, f"the placeholder EDIT is left in {', '.join(placeholders)}")
    empty = [what for what, text in texts.items() if not text]
    ensure(not empty, f"there is no text in {', '.join(empty)}")

    entry = info.citation.strip()
    begins = re.match(r"@(article|inproceedings|misc)\{(\w+),\n", entry)
    ensure(bool(begins), f"the citation does not begin like a BibTeX entry: {entry[:40]!r}")
    ensure(entry.endswith("}") and entry.count("{") == entry.count("}"), "the braces of the citation do not match")
    fields = dict(re.findall(r"^  (\w+) = \{(.*)\},?$", entry, flags=re.M))
    ensure(set(fields) >= CITATION_KEYS, f"the citation lacks {', '.join(sorted(CITATION_KEYS - set(fields)))}")
    ensure(bool(re.fullmatch(r"(19|20)\d\d", fields["year"])), f"the year of the citation is {fields['year']!r}")

    config = info.config
    ensure(issubclass(config, MethodConfig), f"{config.__name__} does not derive from MethodConfig")
    for protocol in EvalProtocol:
        settled = info.default_config(protocol)
        again = config.model_validate(settled.model_dump(mode="json"))
        ensure(again == settled, f"the settings for {protocol} change when they are written as JSON and read again")
    ensure(subject.is_trained == bool(info.recipes), "recipes are for a TrainableMethod, and it needs at least one")
    other_protocols = sorted(protocol for protocol in info.recipes if protocol is not EvalProtocol.FEW_SHOT)
    tied = f"it is tied to its classes, so the recipe for {' and '.join(other_protocols)} cannot be used"
    ensure(info.open_vocabulary or not other_protocols, tied)


@check(
    "Correct `parameter_count` of the config, and put all learned tensors into `trainable`. Correct "
    "`starts_as_zero_shot`: WiSE-FT averages with what these settings start from."
)
def stated_facts_hold(subject: Subject) -> None:
    """`parameter_count` is the number of learned values, and `starts_as_zero_shot` starts as the zero-shot model."""
    for task in (TASK, OTHER_TASK):
        sizes = replace(subject.backbone.sizes, n_classes=len(task.classes), shots=task.shots)
        stated = subject.config.parameter_count(sizes)
        method = subject.finished if task is TASK else subject.trained(task)
        case = f"{len(task.classes)} classes of {task.shots} shots"
        learned = method.learned_parameters()
        ensure(learned == stated, f"{learned} are learned, `parameter_count` gives {stated}, at {case}")
        if isinstance(method, TrainableMethod):
            held = count_parameters(method.trainable)
            ensure(held == stated, f"`trainable` holds {held}, `parameter_count` gives {stated}, at {case}")
    if subject.info.starts_as_zero_shot is None:
        return
    config = subject.config.model_copy(update=dict(subject.info.starts_as_zero_shot))
    method = subject.method(subject.backbone, config, torch.Generator().manual_seed(0))
    method.prepare(subject.support())
    text = subject.backbone.encode_texts(TASK.classes.texts())
    zero_shot = cosine_logits(TASK.values["features"], text, subject.backbone.logit_scale)
    ensure_equal(subject.evaluation_logits(method), zero_shot, "logits before training", tolerance=ROUNDING)


@check(
    "Compute the text side from the classes that `classifier` is given, one row each, in their order; a method whose "
    "parameters are tied to its training classes sets open_vocabulary=False and calls require_known_classes first.",
    essential=True,
)
def classes_get_their_own_logits(subject: Subject) -> None:
    """Other classes, and the same in another order, get logits of their own, or ClosedVocabularyError."""
    method, names = subject.finished, TASK.classes.names
    backwards = ClassSet(names[::-1], TASK.classes.template)
    if not subject.is_open:
        part = ClassSet(names[:2], TASK.classes.template)
        for classes, problem in (
            (OTHER_CLASSES, "it classifies classes it was not trained on instead of raising ClosedVocabularyError"),
            (part, "it accepts a subset of its classes, but the logits would be those of all of them"),
        ):
            ensure(_raises_closed_vocabulary(subject, classes), problem)
        if _raises_closed_vocabulary(subject, backwards):
            return
    plain = subject.evaluation_logits(method)
    # a method that trains on views of a test image makes steps, each of which rounds
    steps = 100 if "test_views" in subject.info.needs else 1
    reversed_logits = subject.evaluation_logits(method, backwards)
    ensure_equal(reversed_logits, plain.flip(1), "logits of reversed classes", tolerance=steps * ROUNDING)
    if subject.is_open:
        logits = subject.evaluation_logits(method, OTHER_CLASSES)
        expected = (len(TASK.labels), len(OTHER_CLASSES))
        ensure(logits.shape == expected, f"logits for other classes are {tuple(logits.shape)}, expected {expected}")
        ensure(bool(logits.isfinite().all()), "logits for other classes are not finite")
        same = torch.allclose(logits, plain[:, : len(OTHER_CLASSES)])
        ensure(not same, "other classes get the logits of the trained ones, so their names are not used")


def _raises_closed_vocabulary(subject: Subject, classes: ClassSet) -> bool:
    try:
        subject.evaluation_logits(subject.finished, classes)
    except ClosedVocabularyError:
        return True
    return False


@check(
    "Remove unused `pixels` or `pooled` from `needs`; methods on features alone can use imported files. A method with "
    "`hidden` reads `batch.hidden(k)` for the k that `frozen_blocks` of its config returns. Read labels in "
    "training only; `classifier` gets images and class names."
)
def declared_inputs_are_read(subject: Subject) -> None:
    """It reads everything that it declares, no other hidden state, and no label while it classifies."""
    frozen = subject.config.frozen_blocks(subject.backbone.sizes)
    is_declared = "hidden" in subject.info.needs
    ensure((frozen is not None) == is_declared, "one of `hidden` and `frozen_blocks` is missing")
    subject.labels_read = None
    try:
        subject.evaluation_logits(subject.finished)
        if subject.is_open:
            subject.evaluation_logits(subject.finished, OTHER_CLASSES)
    finally:
        ensure(subject.labels_read is None, f"it read a batch's labels while classifying{subject.labels_read}")
    idle = sorted(need for need in subject.info.needs - {"features", "test_stream"} if need not in subject.read)
    ensure(not idle, f"never read: {', '.join(idle)}")
    blocks, expected = subject.hidden_blocks_read, set() if frozen is None else {frozen}
    ensure(blocks == expected, f"hidden states were read before blocks {blocks}, declared are {expected}")


@check(
    "Classify each image by itself: no statistics or normalisation over the batch, no running statistics, no state "
    "kept from a batch. A method that learns from test images declares `test_stream`, begins each stream without "
    "memory in `over`, and treats batches as groups of the stream's images."
)
def images_are_classified_independently(subject: Subject) -> None:
    """The logits of an image depend neither on its batch nor on what was classified before."""
    method = subject.finished
    whole = subject.evaluation_logits(method)
    ensure_equal(subject.evaluation_logits(method), whole, "logits of the same images, computed again")
    with torch.no_grad():
        classify = method.classifier(TASK.classes)
        if subject.is_open:
            subject.evaluation_logits(method, OTHER_CLASSES)
        ensure_equal(classify(subject.batch()), whole, "logits of a classifier made before another one")
        ensure_equal(classify(subject.batch()), whole, "logits of a classifier used again")
    if not subject.info.reads_test_stream:
        for index in (slice(5, 6), torch.tensor([20, 5, 11])):
            alone = subject.evaluation_logits(method, index=index)
            ensure_equal(alone, whole[index], "logits of some images in a batch of their own", tolerance=ROUNDING)
        return
    if not isinstance(classify, StreamClassifier):
        raise CheckFailedError("it declares `test_stream`, but `classifier` returns no StreamClassifier")
    for size in (1, 5):
        parts = [subject.batch(index=slice(start, start + size)) for start in range(0, len(TASK.labels), size)]
        with torch.no_grad():
            logits = torch.cat(list(classify.over(iter(parts))))
        ensure_equal(logits, whole, f"logits in batches of {size}", tolerance=ROUNDING)


@check(
    "Put all learned tensors into `trainable`, use each in the loss, and change them in place; parameters of the "
    "backbone stay frozen. In each stage, detach what its `parameter_groups` leave out."
)
def only_trainable_is_trained(subject: Subject) -> str | None:
    """Training changes the tensors of `trainable`, all of them, and nothing else."""
    if not subject.is_trained:
        ensure(not subject.info.recipes, "it has recipes but is not a TrainableMethod")
        return "it takes no gradient steps"
    method = _prepared(subject)
    held = {id(p): name for name, p in method.trainable.named_parameters()}
    frozen = {t.untyped_storage().data_ptr() for t in subject.backbone.model.state_dict().values()}
    for name, parameter in method.trainable.named_parameters():
        ensure(parameter.untyped_storage().data_ptr() not in frozen, f"`trainable.{name}` is a tensor of the backbone")
    foreign = [p for group in method.parameter_groups() for p in group["params"] if id(p) not in held]
    unsaved = f"{len(foreign)} optimised tensors are not in `trainable`, so they are neither counted nor saved"
    ensure(not foreign, unsaved)
    subject.fitted(method)
    moved = [name for name, p in method.trainable.named_parameters() if id(p) not in held]
    ensure(not moved, f"`trainable.{', '.join(moved)}` was replaced during training; change parameters in place")

    method, gradients = _prepared(subject), dict[str, float]()
    for stage, optimizer in enumerate(subject.stages(method)):
        # after one step, since the factor of a low-rank pair that starts at zero leaves the other without a gradient
        train_step(method, subject.batch(labelled=True), optimizer)
        method.trainable.zero_grad()
        torch.autograd.backward(method.loss(subject.batch(labelled=True)))
        optimised = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        for name, parameter in method.trainable.named_parameters():
            if parameter.grad is not None:
                in_stage = len(method.stages()) < 2 or id(parameter) in optimised
                ensure(in_stage, f"`trainable.{name}` gets a gradient in stage {stage}, which does not train it")
                gradients[name] = max(gradients.get(name, 0.0), float(parameter.grad.abs().sum()))
    for name, _ in method.trainable.named_parameters():
        ensure(name in gradients, f"`trainable.{name}` is not used in the loss")
        ensure(gradients[name] > 0, f"`trainable.{name}` has gradient 0")
    return None


def _prepared(subject: Subject) -> TrainableMethod[Any]:
    method = subject.prepared()
    assert isinstance(method, TrainableMethod)
    return method


@check(
    "Check the loss, its sign and the published rate: it must fall on a separable task. `classifier` and "
    "`train_classifier` must read the same tensors."
)
def training_learns(subject: Subject) -> str | None:
    """Training lowers the loss on a separable task, in each stage, and changes the logits of evaluation."""
    if not subject.is_trained:
        return "it takes no gradient steps"
    after, losses = subject.overfitted()
    for first, *later in losses:
        ensure(min(later) < first, f"from {first:.4g} it never fell; after {len(later)} steps it was {later[-1]:.4g}")
    same = torch.equal(subject.evaluation_logits(after), subject.evaluation_logits(subject.prepared()))
    ensure(not same, "training changed `trainable`, but the logits are the same as before")
    return None


@check(
    "Keep rows, labels and class names in one order: label i is `classes.names[i]` everywhere. Use the labels and "
    "images that `prepare` and `loss` are given; before training, their order must not matter."
)
def images_belong_to_their_labels(subject: Subject) -> str | None:
    """The labelled images decide what it learns, each for the class of its label, in any order."""
    reordered = subject.prepared(order=torch.randperm(len(TASK.labels), generator=torch.Generator().manual_seed(11)))
    plain = subject.prepared() if subject.is_trained else subject.finished
    logits = subject.evaluation_logits(reordered if subject.is_trained else subject.fitted(reordered))
    expected = subject.evaluation_logits(plain)
    ensure_equal(logits, expected, "logits for the support images in another order", tolerance=100 * ROUNDING)
    info = subject.info
    if info.family == "zero-shot" or info.reads_test_stream or info.trains_on_pool:
        return "it learns nothing from labelled images"
    first = subject.evaluation_logits(subject.finished)
    for task, what in ((replace(TASK, seed=17), "images"), (SHIFTED_TASK, "labels")):
        same = torch.equal(subject.evaluation_logits(subject.trained(task)), first)
        ensure(not same, f"the logits are the same for two support sets with different {what}")

    orders = list(itertools.permutations(range(len(TASK.classes))))
    fits = []
    for task in (TASK, SHIFTED_TASK):
        method = subject.overfitted(task)[0] if subject.is_trained else subject.trained(task)
        logits = subject.evaluation_logits(method)
        fits.append(torch.stack([F.cross_entropy(logits[:, list(order)], TASK.labels) for order in orders]))
    # regularisation has the same effect with labels shifted by one class, so the difference is due to the labels
    effect = fits[0] - fits[1]
    if subject.is_trained and float(effect.abs().max()) < ROUNDING:  # such as a bias for each class
        return "no labelling of as many images for each class fits better than another"
    with_true_labels, best = float(effect[0]), int(effect.argmin())
    other = float(effect[best])
    ensure(
        with_true_labels < 0 and other > (1 + AMBIGUOUS) * with_true_labels,
        f"cross-entropy changed by {with_true_labels:.3g}, but by {other:.3g} with the classes in order {orders[best]}",
    )
    return None


@check(
    "Register all learned tensors in `trainable`: parameters, or buffers where they are not optimised. Put everything "
    "that `classifier` uses into `tuned_state`, and set all of it in `restore_tuned_state`."
)
def a_kept_model_classifies_alike(subject: Subject) -> str | None:
    """Another instance gives the same logits from the stored tensors, without any image."""
    method, restored = subject.finished, list[tuple[Method[Any], bool, str]]()
    if isinstance(method, TrainableMethod):
        loaded = subject.prepared(seed=1)
        assert isinstance(loaded, TrainableMethod)
        loaded.trainable.load_state_dict(method.trainable.state_dict())
        restored.append((loaded, subject.is_open, "after loading"))
    state = {name: value.detach().contiguous() for name, value in method.tuned_state().items()}
    content = safetensors.torch.load(safetensors.torch.save(state))
    tuned = subject.method(tiny_backbone(), subject.config, torch.Generator().manual_seed(5))
    skipped = None
    try:
        with torch.no_grad():
            tuned.restore_tuned_state(TASK.classes, content)
        # a file has no teacher for other names
        restored.append((tuned, subject.is_open and not subject.info.needs_teacher, "of a restored tuned model"))
    except SupportImagesError:
        skipped = "it reads images in `prepare` and defines no `restore_tuned_state`, so --keep-models cannot keep it"
    for other, knows_others, what in restored:
        for classes in (TASK.classes, OTHER_CLASSES) if knows_others else (TASK.classes,):
            logits, expected = (subject.evaluation_logits(each, classes) for each in (other, method))
            ensure_equal(logits, expected, f"logits {what} for {len(classes)} classes")
    return skipped


@check(
    "Never write to the backbone; pass learned tensors to `encode_image` or `encode_prompts`. Copy the tensors of a "
    "batch or a support set before changing them. Store what a run learns on the instance, never on its class."
)
def runs_are_independent(subject: Subject) -> None:
    """A run changes neither the backbone nor its inputs, and a run on another task in between has no effect."""
    first = subject.evaluation_logits(subject.finished)
    changed = {what for what, handed_out, pristine in subject.handed_out if not torch.equal(handed_out, pristine)}
    ensure(not changed, f"it wrote into {', '.join(sorted(changed))}")
    model = subject.backbone.model
    weights = model.state_dict()
    written = [name for name, value in subject.weights.items() if not torch.equal(value, weights[name])]
    ensure(not written, f"weights of the backbone changed: {', '.join(written[:3])}")
    ensure(subject.backbone.logit_scale == tiny_backbone().logit_scale, "the logit scale of the backbone changed")
    trainable = [name for name, p in model.named_parameters() if p.requires_grad or p.grad is not None]
    ensure(not trainable, f"gradients of the backbone were switched on: {', '.join(trainable[:3])}")
    training = [name or "the model" for name, module in model.named_modules() if module.training]
    ensure(not training, f"the backbone is in training mode: {', '.join(training[:3])}")
    subject.trained(OTHER_TASK, seed=3)
    ensure_equal(subject.evaluation_logits(subject.finished), first, "logits of an instance after another one ran")
    ensure_equal(subject.evaluation_logits(subject.trained()), first, "logits of a run after one on another task")
