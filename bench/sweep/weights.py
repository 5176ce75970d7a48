"""Fetches the weights and tokenizers of a sweep once, before its runs start."""

from dataclasses import replace

from bench._util.words import counted
from bench.sweep.inputs import backbones_of, teacher_backbone
from bench.sweep.left_out import LeftOut, check_left_out, report_left_out
from bench.sweep.plan import Plan
from bench.sweep.progress import SweepLog


def without_missing_weights(plan: Plan, log: SweepLog) -> Plan:
    """The plan without the runs of backbones whose weights or tokenizer cannot be fetched, each a reported rejection.

    On a cluster nothing is fetched here, since its nodes read the weights.
    Raises ImpossibleCombinationError if no run is left, and the error of a teacher's backbone that cannot be
    fetched.
    """
    from methods import WeightsError, fetch_tokenizer, fetch_weights

    request = plan.request
    if not request.here:
        return plan
    slugs = {spec.backbone for spec in plan.pending} | {backbone for backbone, _ in plan.difficulties}
    missing = dict[str, LeftOut]()
    for backbone in backbones_of(request.backbones):
        if backbone.slug in slugs:
            try:
                fetch_tokenizer(backbone)
                fetch_weights(backbone)
            except WeightsError as error:
                runs = counted(sum(spec.backbone == backbone.slug for spec in plan.pending), "run")
                reason = " ".join(str(error).split())
                missing[backbone.slug] = LeftOut(f"{backbone.slug} ({runs})", reason, named=True)
    if any(spec.teacher for spec in plan.pending):
        for backbone in backbones_of(teacher_backbone(request)):
            fetch_tokenizer(backbone)
            fetch_weights(backbone)
    if not missing:
        return plan
    pending = tuple(spec for spec in plan.pending if spec.backbone not in missing)
    remaining = {spec.run_id for spec in (*plan.done, *pending)}
    left_out = tuple(missing.values())
    check_left_out(left_out, nothing_left=not remaining)
    report_left_out(left_out, log)
    return replace(
        plan,
        specs=tuple(spec for spec in plan.specs if spec.run_id in remaining),
        pending=pending,
        retried=plan.retried & remaining,
        left_out=(*plan.left_out, *left_out),
        difficulties=tuple(place for place in plan.difficulties if place[0] not in missing),
    )
