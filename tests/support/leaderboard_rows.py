"""Rows of runs as the leaderboard reads them."""

from datetime import UTC, datetime, timedelta

import pandas as pd

from bench.analysis.leaderboard import Setting

START = datetime(2026, 1, 1, tzinfo=UTC)
B2N = Setting("ViT-B-16.openai", "base-to-new", 16, "coop", "fp32")


def run(method="coop", dataset="dtd", seed=1, shots=16, protocol="base-to-new", day=0, **changes):
    """The rows of one run; scores are given per split as fractions."""
    scores = changes.pop("scores", {"base": 0.8, "new": 0.6} if protocol == "base-to-new" else {"all": 0.7})
    row = {
        "method": method,
        "config": "{}",
        "recipe_name": "published",
        "recipe": '{"epochs": 50}',
        "backbone": "ViT-B-16.openai",
        "dataset": dataset,
        "task_fingerprint": f"{dataset}-{shots}-{seed}",
        "draw": "coop",
        "protocol": protocol,
        "shots": shots,
        "seed": seed,
        "precision": "fp32",
        "status": "ok",
        "error_message": None,
        "n": 100,
        "n_classes": 10,
        "trainable_parameters": 8192,
        "prepare_seconds": 1.0,
        "train_seconds": 20.0,
        "eval_seconds": 3.0,
        "steps": 100,
        "added_memory_bytes": 1 << 30,
        "image_passes": 10,
        "prompted_image_passes": 0,
        "text_passes": 200,
        "shared_prepare_seconds": 0.0,
        "shared_train_seconds": 0.0,
        "shared_eval_seconds": 0.0,
        "shared_image_passes": 0,
        "shared_text_passes": 0,
        "created_at": START + timedelta(days=day),
    } | changes
    row["run_id"] = changes.get(
        "run_id",
        "/".join(str(row[k]) for k in ("method", "config", "dataset", "shots", "seed", "draw", "task_fingerprint"))
        + str(row.get("epoch_selection") or ""),
    )
    if row["status"] == "failed":
        return [row | {"split": None, "accuracy": None, "n": None, "n_classes": None}]
    return [row | {"split": split, "accuracy": accuracy} for split, accuracy in scores.items()]


def frame(*runs):
    return pd.DataFrame([row for rows in runs for row in rows])
