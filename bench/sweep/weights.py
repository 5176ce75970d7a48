"""Fetches the weights and tokenizers of a sweep once, before its runs start."""

from collections.abc import Sequence
from dataclasses import replace

from bench._util.words import counted
from bench.sweep.compatibility import Rejection, Rejections, by_reason
from bench.sweep.inputs import backbones_of, teacher_backbone
from bench.sweep.planning import Plan
from bench.sweep.progress import SweepLog
from bench.sweep.request import SweepRequest


def without_missing_weights(made: Plan, request: SweepRequest, log: SweepLog) -> Plan:
    """The plan without the runs of backbones whose weights or tokenizer cannot be fetched, each a reported rejection.

    On a cluster nothing is fetched here, since its nodes read the weights.
    Raises ImpossibleCombinationError if no run is left, and the error of a teacher's backbone that cannot be
    fetched.
    """
    from methods import WeightsError, fetch_tokenizer, fetch_weights

    if not request.here:
        return made
    wanted = {spec.backbone for spec in made.pending} | {backbone for backbone, _ in made.difficulties}
    missing, rejections = set(), Rejections()
    for backbone in backbones_of(request.backbones):
        if backbone.slug in wanted:
            try:
                fetch_tokenizer(backbone)
                fetch_weights(backbone)
            except WeightsError as error:
                missing.add(backbone.slug)
                rejections.add(_runs(made, backbone.slug), " ".join(str(error).split()), named=True)
    if any(spec.teacher for spec in made.pending):
        for backbone in backbones_of(teacher_backbone(request)):
            fetch_tokenizer(backbone)
            fetch_weights(backbone)
    if not missing:
        return made
    pending = tuple(spec for spec in made.pending if spec.backbone not in missing)
    left = {spec.run_id for spec in (*made.done, *pending)}
    rejections.check(nothing_left=not left)
    report_rejections(rejections.all(), log)
    return replace(
        made,
        specs=tuple(spec for spec in made.specs if spec.run_id in left),
        pending=pending,
        retried=made.retried & left,
        rejected=(*made.rejected, *rejections.all()),
        difficulties=tuple(place for place in made.difficulties if place[0] not in missing),
    )


def report_rejections(rejected: Sequence[Rejection], log: SweepLog) -> None:
    """Report the rejections, one line per reason, and their effect on the exit code."""
    for line in by_reason(rejected):
        log.notice(f"left out: {line}")
    if any(rejection.named for rejection in rejected):
        log.notice("the rest runs, and the exit code is 3")


def _runs(made: Plan, backbone: str) -> str:
    """A backbone and its number of pending runs."""
    return f"{backbone} ({counted(sum(spec.backbone == backbone for spec in made.pending), 'run')})"
