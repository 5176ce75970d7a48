"""A simulated results database: eleven datasets, eight methods, three seeds, one missing and one failed run."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from bench.papers.catalogue import Catalogue, DatasetFacts, MethodSheet
from reports.presenters.content import PageContent
from reports.presenters.site import site_view
from reports.views import SiteView

BACKBONE = "ViT-B-16.openai"
START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)

DATASETS = {  # title, domain, classes, zero-shot base, zero-shot new (CoCoOp's table)
    "imagenet": ("ImageNet", "everyday objects", 1000, 72.43, 68.14),
    "caltech101": ("Caltech101", "objects", 100, 96.84, 94.00),
    "oxford_pets": ("Oxford Pets", "cat and dog breeds", 37, 91.17, 97.26),
    "stanford_cars": ("Stanford Cars", "car models", 196, 63.37, 74.89),
    "oxford_flowers": ("Flowers102", "flowers", 102, 72.08, 77.80),
    "food101": ("Food101", "dishes", 101, 90.10, 91.22),
    "fgvc_aircraft": ("FGVC Aircraft", "aircraft variants", 100, 27.19, 36.29),
    "sun397": ("SUN397", "scenes", 397, 69.36, 75.35),
    "dtd": ("DTD", "textures", 47, 53.24, 59.90),
    "eurosat": ("EuroSAT", "satellite images", 10, 56.48, 64.05),
    "ucf101": ("UCF101", "actions", 101, 70.53, 77.50),
}
METHODS = {  # title, family, share of the base gap closed, change on new at full gap, parameters
    "zero_shot": ("Zero-shot CLIP", "zero-shot", 0.0, 0.0, 0),
    "coop": ("CoOp", "text prompt", 0.50, -0.26, 8192),
    "cocoop": ("CoCoOp", "text prompt", 0.40, 0.02, 35360),
    "vpt": ("VPT", "visual prompt", 0.42, -0.06, 73728),
    "maple": ("MaPLe", "multimodal prompt", 0.48, 0.10, 3555072),
    "clip_adapter": ("CLIP-Adapter", "feature adapter", 0.38, -0.04, 131072),
    "tip_adapter": ("Tip-Adapter-F", "cache", 0.47, -0.10, 163840),
    "apex": ("APEX", "ensemble", 0.54, 0.16, 1190000),
}


@contextmanager
def many_methods(number: int) -> Iterator[None]:
    """The sample has that many methods, 8 or more; the others are variants of the trained ones."""
    known = dict(METHODS)
    trained = [name for name in known if name != "zero_shot"]
    for at in range(number - len(known)):
        title, family, closed, change, parameters = known[trained[at % len(trained)]]
        METHODS[f"m{at}"] = (f"{title} {at}", family, closed * (0.9 + 0.02 * (at % 9)), change, parameters)
    try:
        yield
    finally:
        for name in METHODS.keys() - known.keys():
            del METHODS[name]


def sample_site(runs: pd.DataFrame, difficulty: pd.DataFrame | None = None, **content: Any) -> SiteView:
    """The page of some runs; `content` are further arguments of `PageContent`."""
    measured = difficulty_frame() if difficulty is None else difficulty
    return site_view(PageContent(runs, measured, catalogue(), package_version="0.1.0", **content))


def catalogue() -> Catalogue:
    """Facts as the registries would give them."""
    return Catalogue(
        methods={
            name: MethodSheet(
                name, title, family, f"{title} learns a {family}.", f"@inproceedings{{{name}, title={{{title}}}}}"
            )
            for name, (title, family, *_) in METHODS.items()
        },
        datasets={
            name: DatasetFacts(
                name,
                title,
                f"Photographs of {domain}.",
                domain,
                "research only (homepage)",
                f"https://example.org/{name}",
            )
            for name, (title, domain, *_) in DATASETS.items()
        },
    )


def runs_frame(
    *, protocols: tuple[str, ...] = ("base-to-new", "few-shot"), shots: tuple[int, ...] = (16,)
) -> pd.DataFrame:
    """The store's `runs_frame()` for this database."""
    rows: list[dict[str, object]] = []
    for protocol in protocols:
        for method in METHODS:
            for count in (0,) if method == "zero_shot" else shots:
                for dataset in DATASETS:
                    for seed in (0,) if count == 0 else (1, 2, 3):
                        rows += _run(method, dataset, protocol, count, seed)
    return pd.DataFrame(rows)


FIXTURES = {
    "all": lambda runs: runs,
    "one seed": lambda runs: runs[runs["seed"].isin([0, 1])],
    "one dataset": lambda runs: runs[runs["dataset"] == "dtd"],
    "two datasets": lambda runs: runs[runs["dataset"].isin(["dtd", "eurosat"])],
    "two methods": lambda runs: runs[runs["method"].isin(["zero_shot", "coop"])],
    "no zero-shot": lambda runs: runs[runs["method"] != "zero_shot"],
    "one method": lambda runs: runs[runs["method"] == "vpt"],
    "one run": lambda runs: runs[(runs["method"] == "vpt") & (runs["dataset"] == "dtd") & (runs["seed"] == 1)],
    "none complete": lambda runs: runs[~((runs["dataset"] == "dtd") & (runs["seed"] != 3))],
    "nothing shared": lambda runs: runs[
        ((runs["method"] == "vpt") & (runs["dataset"] == "dtd") & (runs["seed"] == 1))
        | ((runs["method"] == "coop") & (runs["dataset"] == "eurosat") & (runs["seed"] == 2))
    ],
}
"""Some of the runs, by what they lack."""


def provenance_frame(runs: pd.DataFrame) -> pd.DataFrame:
    """The store's `provenance_frame()`; seed 3 has uncommitted changes."""
    once = runs.drop_duplicates("run_id")
    made = {"package_version": "0.1.0", "git_commit": "314f623abcdef", "python": "3.11.9"}
    return pd.DataFrame(
        {"run_id": once["run_id"], "provenance": [json.dumps(made | {"git_dirty": seed == 3}) for seed in once["seed"]]}
    )


def difficulty_frame() -> pd.DataFrame:
    """The store's `difficulty_frame()` for this database."""
    rows = []
    for dataset, (_, _, classes, base, new) in DATASETS.items():
        for split, count, accuracy in (
            ("base", (classes + 1) // 2, base / 100),
            ("new", classes // 2, new / 100),
            ("all", classes, (base + new) / 200 * 0.93),
        ):
            draw = _generator(dataset, split)
            measures = {
                "zero_shot_accuracy": accuracy,
                "chance": 1 / count,
                "relative_transfer_difficulty": 1 / count / accuracy,
                "relative_transfer_difficulty_macro_precision": 1 / count / (accuracy * 0.97),
                "separability_pairwise": 1.05 + 0.5 * accuracy + draw.normal(0, 0.05),
                "text_distance_mean": 0.2 + 0.2 * accuracy + draw.normal(0, 0.03),
                "zero_shot_margin": 0.06 * accuracy + draw.normal(0, 0.004),
            }
            rows += [
                {
                    "backbone": BACKBONE,
                    "dataset": dataset,
                    "split": split,
                    "measure": name,
                    "value": value,
                    "n_classes": count,
                    "n_images": 40 * count,
                }
                for name, value in measures.items()
            ]
    return pd.DataFrame(rows)


def _run(method: str, dataset: str, protocol: str, shots: int, seed: int) -> list[dict[str, object]]:
    if method == "cocoop" and dataset == "imagenet" and seed == 3:
        return []  # not run
    _, _, classes, base, new = DATASETS[dataset]
    _, _, closed, change, parameters = METHODS[method]
    draw = _generator(method, dataset, protocol, shots, seed)
    failed = method == "maple" and dataset == "sun397" and seed == 2
    reach = shots / (shots + 4)
    gap_base, gap_new = 97 - base, 97 - new
    noise = draw.normal(0, 0.9, 2) if shots else np.zeros(2)
    scores = {"base": base + closed * reach * 1.6 * gap_base + noise[0], "new": new + change * gap_new + noise[1]}
    if protocol == "few-shot":
        scores = {"all": (scores["base"] + base + closed * gap_base) / 2 * 0.94}
    cost = 0.0 if shots == 0 else classes * {"clip_adapter": 0.02, "tip_adapter": 0.05, "coop": 0.4}.get(method, 1.7)
    row: dict[str, object] = {
        "run_id": f"{zlib.crc32(f'{method}{dataset}{protocol}{shots}{seed}'.encode()):08x}" * 2,
        "method": method,
        "config": json.dumps({"n_ctx": 16} if "co" in method else {}),
        "recipe_name": None if shots == 0 else "published",
        "recipe": None if shots == 0 else json.dumps({"epochs": 50, "lr": 0.002}),
        "backbone": BACKBONE,
        "dataset": dataset,
        "task_fingerprint": f"{zlib.crc32(f'{dataset}{protocol}{shots}{seed}'.encode()):08x}" * 4,
        "draw": "coop",
        "protocol": protocol,
        "shots": shots,
        "seed": seed,
        "precision": "fp32",
        "status": "failed" if failed else "ok",
        "error_message": "CUDA out of memory. Tried to allocate 2.31 GiB" if failed else None,
        "trainable_parameters": None if failed else parameters,
        "prepare_seconds": None if failed else 0.4,
        "train_seconds": None if failed else cost * float(draw.uniform(0.9, 1.1)),
        "eval_seconds": None if failed else 0.01 * classes,
        "steps": None if failed else 0 if shots == 0 else 50 * classes,
        "added_memory_bytes": None if failed else 3 << 30,
        "image_passes": None if failed else 0 if shots == 0 else shots * classes,
        "prompted_image_passes": None if failed else 50 * 16 * classes if method in ("vpt", "maple", "apex") else 0,
        "text_passes": None if failed else classes if method in ("clip_adapter", "tip_adapter") else 50 * classes,
        "shared_prepare_seconds": None if failed else 0.0,
        "shared_train_seconds": None if failed else 0.0,
        "shared_eval_seconds": None if failed else 0.0,
        "shared_image_passes": None if failed else 0,
        "shared_text_passes": None if failed else 0,
        "created_at": START + timedelta(minutes=seed),
    }
    if failed:
        return [row | {"split": None, "accuracy": None, "n": None, "n_classes": None}]
    counts = {"base": (classes + 1) // 2, "new": classes // 2, "all": classes}
    return [
        row | {"split": s, "accuracy": min(max(value / 100, 0.0), 1.0), "n": 40 * counts[s], "n_classes": counts[s]}
        for s, value in scores.items()
    ]


def _generator(*key: object) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(repr(key).encode()))
