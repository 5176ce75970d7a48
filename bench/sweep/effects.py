"""Options of a sweep that none of its methods uses, before anything is planned."""

from collections.abc import Collection, Iterator

from bench.errors import UsageError
from bench.results import known_methods
from bench.spec import ALL_SHOTS
from bench.sweep.axes import check_axes
from bench.sweep.method_settings import SelectedMethod, requested_methods
from bench.sweep.request import SweepRequest, option_name


def check_effects(request: SweepRequest, given: Collection[str]) -> None:
    """Raise UsageError for an option that a user gave, one of these fields, and that changes no run of the sweep.

    A sweep that the program makes of a paper or a race may have such options, for a part of its methods.
    """
    check_axes(request)
    chosen = [item for method in requested_methods(request) for item in method.selected(request)]
    for name, reason in _without_effect(request, chosen):
        value = getattr(request, name)
        if name in given and value != SweepRequest.model_fields[name].default:
            text = "" if value is True else f" {','.join(value) if isinstance(value, list) else value}"
            raise UsageError(f"--{option_name(name)}{text} has no effect: {reason}; leave it out.")


def _without_effect(request: SweepRequest, chosen: list[SelectedMethod]) -> Iterator[tuple[str, str]]:
    """Fields of the request that change nothing, and why."""
    if not any(item.facts.blends for item in chosen):
        names = [facts.name for facts in known_methods().infos() if facts.blends]
        yield "keep_branches", f"no selected method has two branches, as {' and '.join(names)} have"
    if all(item.recipe is None for item in chosen):
        for name in ("recipe", "curve"):
            yield name, "no selected method is trained"
    if all(item.zero_shot for item in chosen):
        yield "selection", "zero-shot methods select nothing"
    drawn = ("draw", "allow_fewer", "support")
    if all(item.zero_shot or item.facts.reads_test_stream for item in chosen):
        yield from ((name, "no selected method learns from labelled images") for name in drawn)
    elif set(request.shots) == {ALL_SHOTS}:
        yield "allow_fewer", "--shots all takes all training images"
    elif request.supports and not request.support_rules and not request.draw.startswith("file:"):
        yield from ((name, "a support list takes the place of the draw") for name in drawn[:2])
