"""The context for repeating a stored run: its kind of device, threads and batches, without the cache."""

from pathlib import Path

from bench.context import RunContext
from bench.record import RunRecord
from bench.sweep.devices import resolve_device
from bench.sweep.machine import find_gpus


def repetition_context(
    record: RunRecord,
    *,
    data_root: Path | None,
    weights: dict[str, Path],
    files: dict[str, Path],
    device: str | None = None,
    threads: int | None = None,
    eval_batch: int | None = None,
) -> RunContext:
    """The context for a repetition of a run; None means as in the run.

    The default device is that of the run if this machine has one, else the CPU. Raises UsageError for a device that
    does not exist.
    """
    made = record.provenance
    kind = made.device.partition(":")[0]
    own = {"cuda": "cuda" if find_gpus() else "cpu", "mps": "auto"}.get(kind, "cpu")
    context = RunContext(
        data_root=data_root,
        weights=weights,
        files=files,
        device=resolve_device(device or own, record.spec.precision),
        threads=threads or made.threads,
    )
    batch = eval_batch or made.eval_batch
    return context.model_copy(update={"eval_batch": batch}) if batch else context
