"""The process of a Slurm job: `python -m bench.launch.slurm_job FOLDER MINUTES` runs one chunk of a submission.

Slurm sends SIGUSR2 before the time of the job is over or before it is preempted. The job is then put back into the
queue and resumes later. The chunk is read as JSON; nothing is unpickled.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from bench.launch.slurm_chunk import ChunkFiles, ChunkJob

REQUEUES = 10
"""How often a job may be requeued because its time ended."""


def main(folder: Path, minutes: float) -> None:
    """Run the chunk of this job, which Slurm's variables name; `minutes` is its time limit."""
    files = ChunkFiles(folder, int(os.environ.get("SLURM_ARRAY_TASK_ID", "0")))
    begin = time.monotonic()

    def requeue(_number: int, _frame: FrameType | None) -> None:
        if time.monotonic() - begin > min(0.8 * 60 * minutes, 60 * minutes - 600):  # not preempted
            tasks = files.read()[1]
            if files.progress(tasks).timeouts >= REQUEUES:
                sys.exit(f"The time of this job ended for the {REQUEUES + 1}th time; it is not requeued.")
            files.append(timeout=True)
        subprocess.run(["scontrol", "requeue", _job()], check=True, timeout=60)
        sys.exit("This job is requeued.")

    for ended in (signal.SIGTERM, signal.SIGCONT):  # of a preemption; the run goes on until SIGKILL
        signal.signal(ended, lambda _number, _frame: None)
    signal.signal(signal.SIGUSR2, requeue)
    ChunkJob(str(folder), files.number)()


def _job() -> str:
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    return os.environ["SLURM_JOB_ID"] if array is None else f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}"


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
