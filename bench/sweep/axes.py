"""The axes of a sweep, and checks of the request."""

from collections.abc import Sequence
from pathlib import Path

from bench.errors import UsageError
from bench.results import known_methods
from bench.spec import ALL_SHOTS
from bench.sweep.dataset_names import match_datasets, select_names
from bench.sweep.request import SweepRequest
from datasets_registry import DataError, DrawRule, EvalProtocol, PoolKind, SupportKind, did_you_mean, is_support_rule

IMAGENET_VARIANTS = ("imagenet_v2", "imagenet_sketch", "imagenet_a", "imagenet_r")
"""Default targets of domain generalization."""
LARGEST_NUMBER = 2**63 - 1
"""Of shots and seeds: what the database can hold."""


def check_axes(request: SweepRequest) -> None:
    """Raise UsageError for axes that are empty, repeat a value, or exclude each other."""
    for name in ("methods", "datasets", "backbones", "shots", "seeds"):
        values = list(getattr(request, name))
        if not values:
            raise UsageError(f"No {name} were given; name at least one.")
        if large := [value for value in values if isinstance(value, int) and value > LARGEST_NUMBER]:
            raise UsageError(f"--{name} {large[0]} is too large; the largest is {LARGEST_NUMBER}.")
        if len(set(values)) != len(values):
            raise UsageError(f"The {name} {', '.join(map(str, values))} hold the same value twice; give each once.")
    if min(request.shots) < 1:
        raise UsageError(f"--shots {min(request.shots)} is not at least 1; a zero-shot method needs no shots at all.")
    check_support(request)
    check_pool(request)
    if request.draw_rule is DrawRule.FILE:
        raise UsageError("--draw file needs the list: write --draw file:PATH, or --support PATH.")
    if request.targets and not request.protocol.transfers:
        raise UsageError(
            f"--targets {','.join(request.targets)} has no effect with {request.protocol}, which evaluates the dataset "
            f"that it trains on; use --protocol {EvalProtocol.CROSS_DATASET} or {EvalProtocol.DOMAIN_GENERALIZATION}."
        )
    if request.protocol is EvalProtocol.CROSS_DATASET and not request.targets:
        raise UsageError(
            f"Protocol {request.protocol} needs --targets, the test datasets, such as --targets eurosat,dtd."
        )
    if len(set(request.targets)) != len(request.targets):
        raise UsageError(f"--targets {','.join(request.targets)} names one twice; give each once.")
    if min(request.seeds) < 0:
        raise UsageError(f"--seeds {min(request.seeds)} is negative; seeds are whole numbers from 0.")


def check_support(request: SweepRequest) -> None:
    """Raise UsageError for a `--support` that is unknown, given twice, or does not go with `--shots all`."""
    for text in request.support:
        kind = text.partition(":")[0]
        if ":" in text and kind.isalpha() and len(kind) > 1 and not is_support_rule(text) and not Path(text).exists():
            hint = did_you_mean(kind, ["imbalanced", "noisy"], most=1)
            raise UsageError(
                f"--support {text!r} is unknown.{hint} Write imbalanced:FACTOR, noisy:RATE or a file's path."
            )
    if SupportKind.ALL in request.support:
        raise UsageError("--support all is written --shots all.")
    try:
        rules = request.support_rules
    except DataError as error:
        raise UsageError(str(error)) from None
    if len(set(rules)) != len(rules):
        raise UsageError(f"--support {', '.join(map(str, rules))} gives the same rule twice; give each once.")
    if rules and ALL_SHOTS in request.shots:
        raise UsageError(f"--support {rules[0]} changes a draw, and --shots all draws nothing; give a number of shots.")


def check_pool(request: SweepRequest) -> None:
    """Raise UsageError for an `--unlabelled` that is not understood or does not go with the protocol."""
    pool, protocol = request.pool, request.protocol
    if pool is None:
        return
    if protocol is EvalProtocol.TEST_TIME:
        raise UsageError(
            f"--unlabelled {pool} has no effect with {protocol}, whose methods see the test images; leave it out."
        )
    if pool.kind is PoolKind.TRANSDUCTIVE and protocol.transfers:
        raise UsageError(
            f"--unlabelled {pool} does not go with {protocol}, which trains once for all targets; use --unlabelled "
            f"{PoolKind.TRAIN} (images of the source)."
        )
    if pool.kind is PoolKind.TRAIN_AND_NEW and protocol is not EvalProtocol.BASE_TO_NEW:
        raise UsageError(
            f"--unlabelled {pool}: {protocol} has no new classes; write {str(pool).replace('+new', '', 1)}."
        )


def selected_datasets(request: SweepRequest) -> dict[str, bool]:
    """The datasets of the axes, in order, each with whether it was requested by name."""
    return select_names(request.datasets, match_datasets)


def selected_methods(texts: Sequence[str]) -> dict[str, bool]:
    """The methods that names and patterns select, in order, each with whether it was requested by name."""
    known = known_methods()
    return select_names(texts, known.match)


def without_patterns(request: SweepRequest) -> SweepRequest:
    """The request with the names of methods, datasets and targets in place of patterns."""
    methods, targets = selected_methods(request.methods), select_names(request.targets, match_datasets)
    names = {"methods": methods, "datasets": selected_datasets(request), "targets": targets}
    return request.model_copy(update={field: list(found) for field, found in names.items()})
