"""Measure `recommend` on the synthetic suite: the regret of its choice on test images, and what its race costs.

For each synthetic dataset, the race is run on the training images, and every candidate is trained with three seeds and
scored on the test images. Regret is the test accuracy of the best candidate minus that of the chosen one. Run it from
the repository: `python -m tools.measure_recommend RUNS_FOLDER`. Finished runs in the folder are not repeated.
"""

from __future__ import annotations

import sys
from pathlib import Path

import bench
from bench.extensions.recommendation import RecommendRequest, recommend
from datasets_registry import list_datasets

SEEDS = 3


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(runs: Path) -> None:
    """Print one line for each dataset and their means."""
    rows = []
    names = [info.name for info in list_datasets() if info.synthetic and info.name != "spectrum"]
    for dataset in names or sys.exit("No synthetic dataset is registered."):
        found = recommend(dataset, runs=runs, budget="2h", progress=False)
        candidates = RecommendRequest.build(dataset).sweep.methods
        options = {"protocol": "few-shot", "shots": 8, "seeds": SEEDS, "recipe": "demo", "runs": runs, "jobs": 0}
        frame = bench.run(candidates, dataset, progress="none", **options).to_frame()
        accuracy = frame.groupby("method")["accuracy"].mean()
        regret, share = float(accuracy.max() - accuracy[found.pick]), found.race.share or 0.0
        average = float(accuracy.max() - accuracy.mean())
        interval = found.decision.accuracy
        covered = (interval.low or 0.0) <= float(accuracy[found.pick]) <= (interval.high or 1.0)
        rows.append((regret, share, average, covered))
        say(
            f"{dataset} {found.pick} {100 * interval.mean:.1f} expected, {100 * accuracy[found.pick]:.1f} in test; "
            f"best {accuracy.idxmax()}: regret {100 * regret:4.2f}, random {100 * average:5.2f}; "
            f"share {100 * share:3.0f} %; {found.race.trainings} trainings; {found.race.why}"
        )
    n = len(rows)
    say(
        f"{n} datasets: mean regret {100 * sum(row[0] for row in rows) / n:.2f} points (random method "
        f"{100 * sum(row[2] for row in rows) / n:.2f}), mean share {100 * sum(row[1] for row in rows) / n:.0f} %, "
        f"interval covers the test accuracy on {sum(row[3] for row in rows)}"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
