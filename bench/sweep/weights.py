"""Fetches the weights and tokenizers of a sweep once, before its runs start."""

from dataclasses import replace

from bench._util.words import counted
from bench.sweep.inputs import backbones_of, teacher_backbone
from bench.sweep.left_out import LeftOut, check_left_out, report_left_out
from bench.sweep.plan import Plan
from bench.sweep.progress import SweepLog


def without_missing_weights(made: Plan, log: SweepLog) -> Plan:
    """The plan without the runs of backbones whose weights or tokenizer cannot be fetched, each a reported rejection.

    On a cluster nothing is fetched here, since its nodes read the weights.
    Raises ImpossibleCombinationError if no run is left, and the error of a teacher's backbone that cannot be
    fetched.
    """
    from methods import WeightsError, fetch_tokenizer, fetch_weights

    request = made.request
    if not request.here:
        return made
    wanted = {spec.backbone for spec in made.pending} | {backbone for backbone, _ in made.difficulties}
    missing = dict[str, LeftOut]()
    for backbone in backbones_of(request.backbones):
        if backbone.slug in wanted:
            try:
                fetch_tokenizer(backbone)
                fetch_weights(backbone)
            except WeightsError as error:
                runs = counted(sum(spec.backbone == backbone.slug for spec in made.pending), "run")
                reason = " ".join(str(error).split())
                missing[backbone.slug] = LeftOut(f"{backbone.slug} ({runs})", reason, named=True)
    if any(spec.teacher for spec in made.pending):
        for backbone in backbones_of(teacher_backbone(request)):
            fetch_tokenizer(backbone)
            fetch_weights(backbone)
    if not missing:
        return made
    pending = tuple(spec for spec in made.pending if spec.backbone not in missing)
    left = {spec.run_id for spec in (*made.done, *pending)}
    left_out = tuple(missing.values())
    check_left_out(left_out, nothing_left=not left)
    report_left_out(left_out, log)
    return replace(
        made,
        specs=tuple(spec for spec in made.specs if spec.run_id in left),
        pending=pending,
        retried=made.retried & left,
        left_out=(*made.left_out, *left_out),
        difficulties=tuple(place for place in made.difficulties if place[0] not in missing),
    )
