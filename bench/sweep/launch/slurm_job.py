"""A worker of a Slurm job: `python -m bench.sweep.launch.slurm_job FOLDER MINUTES WORKERS` runs one chunk.

A job has as many workers as GPUs. Each worker has its own chunk and GPU. Slurm sends SIGUSR2 before the job's time
limit or a preemption. The job is then requeued and resumes later. The chunk is read as JSON; nothing is unpickled.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from bench.sweep.launch.slurm_chunk import ChunkFiles, ChunkJob

VISIBLE = "CUDA_VISIBLE_DEVICES"
REQUEUES = 10
"""How often a job may be requeued because of its time limit."""


def main(folder: Path, minutes: float, workers: int = 1) -> None:
    """Run the chunk of this worker, whose number is in Slurm's variables; `minutes` is the job's time limit.

    The last job of a submission may have fewer chunks than workers.
    """
    place = int(os.environ.get("SLURM_LOCALID", "0")) if workers > 1 else 0
    files = ChunkFiles(folder, int(os.environ.get("SLURM_ARRAY_TASK_ID", "0")) * workers + place)
    if workers > 1:
        os.environ[VISIBLE] = own_gpu(os.environ.get(VISIBLE), place)
        if not files.exist():
            return
    begin = time.monotonic()

    def requeue(_number: int, _frame: FrameType | None) -> None:
        if time.monotonic() - begin > min(0.8 * 60 * minutes, 60 * minutes - 600):  # not preempted
            tasks = files.read()[1]
            if files.progress(tasks).timeouts >= REQUEUES:
                sys.exit(f"The time of this job ended for the {REQUEUES + 1}th time; it is not requeued.")
            files.append(timeout=True)
        # another worker of the job has requeued it
        subprocess.run(["scontrol", "requeue", _job()], check=workers == 1, timeout=60)
        sys.exit("This job is requeued.")

    for ended in (signal.SIGTERM, signal.SIGCONT):  # sent at a preemption; the run continues until SIGKILL
        signal.signal(ended, lambda _number, _frame: None)
    signal.signal(signal.SIGUSR2, requeue)
    ChunkJob(str(folder), files.number)()


def own_gpu(visible: str | None, place: int) -> str:
    """The GPU of a worker, for `CUDA_VISIBLE_DEVICES`: the one at its place among the job's GPUs, or the only one.

    Example:
        >>> own_gpu("4,5", 1), own_gpu("7", 1), own_gpu(None, 1)
        ('5', '7', '1')
    """
    tokens = [part.strip() for part in (visible or "").split(",") if part.strip()]
    if len(tokens) == 1:
        return tokens[0]  # the cluster has bound one GPU to each task
    return tokens[place] if tokens else str(place)


def _job() -> str:
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    return os.environ["SLURM_JOB_ID"] if array is None else f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}"


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
