"""The axes of a sweep, and checks of the request."""

from bench.errors import UsageError
from bench.sweep.dataset_names import match_datasets, select
from bench.sweep.request import SweepRequest
from datasets_registry import DrawRule, EvalProtocol

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


def selected_datasets(request: SweepRequest) -> dict[str, bool]:
    """The datasets of the axes, in order, each with whether it was requested by name."""
    return select(request.datasets, match_datasets)
