"""Checks of a method's facts: `MethodInfo`, settings and recipes."""

import inspect
import re

import torch
from pydantic import ValidationError

from bench.extensions.conformance.check import check, ensure, ensure_equal
from bench.extensions.conformance.classification import ROUNDING
from bench.extensions.conformance.subject import OTHER_CLASSES, OTHER_TASK, TASK, Subject
from datasets_registry import NAME_PATTERN, EvalProtocol
from methods import Family, MethodConfig, Needs, TrainableMethod, cosine_logits, count_parameters

CITATION_KEYS = {"title", "author", "year"}


@check("Fill in every field of MethodInfo, and give the module a docstring.")
def facts_are_complete(subject: Subject) -> None:
    """Name, title, summary, family, needs and a docstring are given, and no placeholder is left."""
    info = subject.info
    ensure(bool(NAME_PATTERN.fullmatch(info.name)), f"the name {info.name!r} must match {NAME_PATTERN.pattern!r}")
    ensure(bool(info.title.strip()), "the title is empty")
    ensure(info.summary.endswith("."), f"the summary {info.summary!r} is not a sentence that ends with a full stop")
    ensure(isinstance(info.family, Family), f"family {info.family!r} is not one of {', '.join(Family)}")
    ensure(all(isinstance(need, Needs) for need in info.needs), f"needs {info.needs} are not all of type Needs")
    docstring = inspect.getdoc(inspect.getmodule(subject.method))
    ensure(bool(docstring), "its module has no docstring")
    texts = {"its module's docstring": docstring, "the summary": info.summary, "the citation": info.citation}
    texts |= {f"the setting {key}": field.description for key, field in info.config.model_fields.items()}
    texts |= {f"the source of the recipe for {protocol}": recipe.source for protocol, recipe in info.recipes.items()}
    left = [what for what, text in texts.items() if re.search(r"\bEDIT\b", text or "")]
    ensure(not left, f"the placeholder EDIT is left in {', '.join(left)}")


@check("Give a BibTeX entry (@article, @inproceedings or @misc), one field per line: `  title = {...},`.")
def citation_parses(subject: Subject) -> None:
    """The citation is a BibTeX entry with title, author and year."""
    entry = subject.info.citation.strip()
    begins = re.match(r"@(article|inproceedings|misc)\{(\w+),\n", entry)
    ensure(bool(begins), f"it does not begin like one: {entry[:40]!r}")
    ensure(entry.endswith("}") and entry.count("{") == entry.count("}"), "its braces do not match")
    fields = dict(re.findall(r"^  (\w+) = \{(.*)\},?$", entry, flags=re.M))
    ensure(set(fields) >= CITATION_KEYS, f"it lacks {', '.join(sorted(CITATION_KEYS - set(fields)))}")
    ensure(bool(re.fullmatch(r"(19|20)\d\d", fields["year"])), f"its year is {fields['year']!r}")


@check("Derive the config from MethodConfig, and give each setting a description with the source of its default.")
def settings_are_documented(subject: Subject) -> None:
    """Each setting has a description and is unchanged after writing and reading JSON."""
    config = subject.info.config
    ensure(issubclass(config, MethodConfig), f"{config.__name__} does not derive from MethodConfig")
    for key, field in config.model_fields.items():
        ensure(bool(field.description), f"the setting {key} has no description")
    for protocol in EvalProtocol:
        settled = subject.info.default_config(protocol)
        again = config.model_validate(settled.model_dump(mode="json"))
        ensure(again == settled, f"the settings for {protocol} change when they are written as JSON and read again")
    try:
        config.model_validate({"no_such_setting": 1})
    except ValidationError:
        return
    ensure(False, "an unknown setting is accepted")


@check("Name the published `recipes` of a TrainableMethod, each with its `source`; a training-free method has none.")
def recipes_have_sources(subject: Subject) -> None:
    """A trained method has recipes, each with the source of its values."""
    info = subject.info
    ensure(subject.is_trained == bool(info.recipes), "recipes are for a TrainableMethod, and it needs at least one")
    for protocol, recipe in info.recipes.items():
        ensure(bool(recipe.source), f"the recipe for {protocol} has no source")
    others = sorted(protocol for protocol in info.recipes if protocol is not EvalProtocol.FEW_SHOT)
    if others:
        ensure(info.open_vocabulary, f"it is tied to its classes, so the recipe for {others[0]} cannot be used")


@check("Correct `parameter_count` of the config, and put all learned tensors into `trainable`.")
def parameters_are_counted(subject: Subject) -> None:
    """`parameter_count` of the config gives the number of learned values, for other classes and shots too."""
    for task in (TASK, OTHER_TASK):
        sizes = subject.backbone.sizes.with_task(n_classes=len(task.classes), shots=task.shots)
        stated = subject.config.parameter_count(sizes)
        method = subject.finished if task is TASK else subject.trained(task)
        case = f"{len(task.classes)} classes of {task.shots} shots"
        learned = method.learned_parameters()
        ensure(learned == stated, f"{learned}, `parameter_count` gives {stated}, at {case}")
        if isinstance(method, TrainableMethod):
            held = count_parameters(method.trainable)
            ensure(held == stated, f"`trainable` holds {held}, `parameter_count` gives {stated}, at {case}")


@check(
    "Correct `starts_as_zero_shot`: WiSE-FT averages with what these settings start from.",
    exempt=lambda s: None if s.info.starts_as_zero_shot is not None else "it has no settings that start as zero-shot",
)
def it_starts_as_the_zero_shot_model(subject: Subject) -> None:
    """With the settings of `starts_as_zero_shot` it is a zero-shot classifier before training."""
    config = subject.config.model_copy(update=dict(subject.info.starts_as_zero_shot or {}))
    method = subject.method(subject.backbone, config, torch.Generator().manual_seed(0))
    method.prepare(subject.support())
    image, text = TASK.values[Needs.FEATURES], subject.backbone.encode_texts(TASK.classes.texts())
    zero_shot = cosine_logits(image, text, subject.backbone.logit_scale)
    ensure_equal(subject.evaluation_logits(method), zero_shot, "logits before training", tolerance=ROUNDING)


@check("Remove unused `pixels` or `pooled` from `needs`; methods on features alone can use imported files.")
def declared_needs_are_read(subject: Subject) -> None:
    """Everything declared in `needs` is read."""
    subject.evaluation_logits(subject.finished)
    if subject.is_open:
        subject.evaluation_logits(subject.finished, OTHER_CLASSES)
    idle = sorted(need for need in subject.info.needs - {Needs.FEATURES, Needs.TEST_STREAM} if need not in subject.read)
    ensure(not idle, f"never read: {', '.join(idle)}")


@check("Declare `Needs.HIDDEN`, give `frozen_blocks` in the config, and read `batch.hidden(k)` for the k it returns.")
def the_declared_hidden_state_is_read(subject: Subject) -> None:
    """Only the hidden state after the declared frozen blocks is read."""
    frozen = subject.config.frozen_blocks(subject.backbone.sizes)
    is_declared = Needs.HIDDEN in subject.info.needs
    ensure((frozen is not None) == is_declared, "one of `Needs.HIDDEN` and `frozen_blocks` is missing")
    subject.evaluation_logits(subject.finished)
    found, expected = subject.hidden_blocks_read, set() if frozen is None else {frozen}
    ensure(found == expected, f"read before blocks {found}, declared {expected}")
