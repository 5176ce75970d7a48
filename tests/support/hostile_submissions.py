"""Hostile submissions: one change each of an honest one, with whatever follows from it made to fit."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from bundle_files import rewritten
from fake_runner import rescored
from simulated_submissions import DATASET, Draft, Run, oracle_of, simulated_run, task_of, with_predictions

from bench.record import ExternalCode, GpuFacts, RunError, RunStatus
from bench.results.checksummed_json import encode_document

COLUMNS = ("label", "predicted", "rank", "true_logit", "log_sum_exp", "sum_p2", "top_labels", "top_logits")
"""Columns of predictions, one row for each image."""


@dataclass(frozen=True)
class Hostile:
    """A hostile submission: `write` gets a folder for it; `said` is what its refusal must say."""

    write: Callable[[Path], object]
    said: str
    name: str = "lab"


def files(change: Callable[[Path], object], said: str) -> Hostile:
    """The files of an honest submission are changed."""
    return Hostile(lambda folder: change(Draft().write(folder)), said)


def toml(line: str, said: str) -> Hostile:
    """A line of `submission.toml` is replaced, or added if there is none of that key."""

    def change(folder: Path) -> None:
        key = line.partition(" ")[0]
        kept = [old for old in (folder / "submission.toml").read_text().splitlines() if not old.startswith(f"{key} ")]
        (folder / "submission.toml").write_text("\n".join([*kept, line]))

    return files(change, said)


def bundle(change: Callable[[dict[str, bytes]], object], said: str) -> Hostile:
    """Files in the bundle are changed."""

    def write(folder: Path) -> None:
        rewritten(folder / "runs.zip", change).replace(folder / "runs.zip")

    return files(write, said)


def record(change: Callable[[dict[str, Any]], object], said: str) -> Hostile:
    """The record of one run is changed, its checksum made to fit."""

    def refit(content: dict[str, bytes]) -> None:
        name = next(name for name in sorted(content) if name.endswith(".json") and name.startswith("shards/"))
        document = json.loads(content[name])
        change(document["record"])
        content[name] = encode_document({k: v for k, v in document.items() if "record" not in k}, document["record"])

    return bundle(refit, said)


def runs(make: Callable[[], list[Run]], said: str) -> Hostile:
    """The submission holds other runs."""
    return Hostile(lambda folder: Draft(make()).write(folder), said)


def edited(run: Run, **columns: Callable[[Any], np.ndarray]) -> Run:
    """A run with changed columns and the scores that follow."""
    (item,) = run[1]
    return with_predictions(run, [replace(item, **{name: value(item) for name, value in columns.items()})])


def links(folder: Path, name: str) -> None:
    """A file becomes a link to a copy outside the submission."""
    outside = folder.parent.parent / f"outside-{name}"
    (folder / name).rename(outside)
    (folder / name).symlink_to(outside)


def linked_folder(folder: Path) -> None:
    real = folder.parent.parent / "elsewhere"
    folder.rename(real)
    folder.symlink_to(real)


def all_right(run: Run) -> Run:
    return edited(run, label=lambda p: p.predicted, rank=lambda p: 0 * p.rank, true_logit=lambda p: p.top_logits[:, 0])


def easy_images(run: Run) -> Run:
    (item,) = run[1]
    kept = np.flatnonzero(item.predicted == item.label)
    columns = {name: getattr(item, name)[kept] for name in COLUMNS}
    return with_predictions(run, [replace(item, images=tuple(item.images[i] for i in kept), **columns)])


def other_digests(run: Run) -> Run:
    stated = run[0].provenance.support_digests
    made = run[0].provenance.model_copy(update={"support_digests": ["0" * 64, *stated[1:]]})
    return run[0].model_copy(update={"provenance": made}), run[1]


def stating(run: Run, **changes: object) -> Run:
    return run[0].model_copy(update={"provenance": run[0].provenance.model_copy(update=changes)}), run[1]


def failed_run() -> Run:
    error = RunError(kind="E", message="m", traceback="t")
    record, _ = simulated_run()
    return record.model_copy(update={"status": RunStatus.FAILED, "scores": [], "cost": None, "error": error}), []


def more_classes(run: Run) -> Run:
    (item,) = run[1]
    return run[0].model_copy(update={"scores": [rescored(item, run[0].scores[0].n_classes + 1)]}), run[1]


def unmarked(run: Run) -> Run:
    """An oracle's run whose scores do not say so."""
    scores = [score.model_copy(update={"selected_on_test": None, "optimism": None}) for score in run[0].scores]
    return run[0].model_copy(update={"scores": scores}), run[1]


def invented_oracle(run: Run, **changes: object) -> Run:
    """A run whose spec selects nothing on test labels, and whose scores state a gain from it."""
    scores = [score.model_copy(update={"optimism": 0.1, **changes}) for score in run[0].scores]
    return run[0].model_copy(update={"scores": scores}), run[1]


def oracle_setting() -> Run:
    """A method whose own search uses the test labels, and which does not say so."""
    config = simulated_run("tip_adapter")[0].spec.config | {"selection": "oracle"}
    return simulated_run("tip_adapter", config=config)


def add(name: str, content: bytes) -> Callable[[dict[str, bytes]], object]:
    return lambda held: held.update({name: content})


def larger(content: dict[str, bytes]) -> None:
    content[next(name for name in content if name.endswith("safetensors"))] = bytes(2**27)


def twice(folder: Path) -> None:
    """One file is in the zip twice, the second time with other content."""
    with zipfile.ZipFile(folder / "runs.zip") as archive:
        held = [(name, archive.read(name)) for name in archive.namelist()]
    with zipfile.ZipFile(folder / "runs.zip", "w") as archive:
        for name, content in held:
            archive.writestr(name, content)
        info = zipfile.ZipInfo(held[0][0])
        archive.filelist = [item for item in archive.filelist if item.filename != info.filename]
        archive.NameToInfo.pop(info.filename)
        archive.writestr(info, held[0][1])
        again = zipfile.ZipInfo(info.filename)
        archive.NameToInfo.pop(info.filename)
        archive.writestr(again, b"{}")


def without_record(content: dict[str, bytes]) -> None:
    del content[next(name for name in content if name.startswith("shards/") and name.endswith(".json"))]


def flipped(content: dict[str, bytes]) -> None:
    name = next(name for name in content if name.endswith("safetensors"))
    content[name] = content[name][:-1] + bytes([content[name][-1] ^ 1])


def wrong_task() -> list[Run]:
    """A run with the support images of seed 2 that states seed 1."""
    return [simulated_run(task_fingerprint=task_of(DATASET, 2, 2).fingerprint)]


def difficulty(content: dict[str, bytes]) -> None:
    content["difficulty/ViT-demo.drawn/spectrum_basic.json"] = b'{"record": []}'


THEIR_CODE = ExternalCode(title="Theirs", weights_proved=False, images_proved=False)
GPU = GpuFacts(name="NVIDIA H100", tf32=False, deterministic=True)
FUTURE = (datetime.now(UTC) + timedelta(days=400)).strftime("%Y-%m-%dT%H:%M:%SZ")
HOSTILE: dict[str, Hostile] = {
    # the folder
    "a link in place of the bundle": files(lambda f: links(f, "runs.zip"), "runs.zip is a link"),
    "a link in place of the facts": files(lambda f: links(f, "submission.toml"), "submission.toml is a link"),
    "a folder that is a link": files(linked_folder, "is a link"),
    "a program beside the runs": files(lambda f: (f / "setup.py").write_text("import os"), "holds 'setup.py'"),
    "a hidden file": files(lambda f: (f / ".gitattributes").write_text("*"), "holds '.gitattributes'"),
    "a folder in the folder": files(lambda f: (f / "more").mkdir(), "holds 'more'"),
    "no facts": files(lambda f: (f / "submission.toml").unlink(), "lacks submission.toml"),
    "facts that are not text": files(lambda f: (f / "submission.toml").write_bytes(b"\xff\xfe"), "is not TOML"),
    "facts of a mebibyte": files(lambda f: (f / "submission.toml").write_text("#" * 2**20), "65536 are allowed"),
    "a name that leaves the folder": Hostile(lambda f: Draft().write(f).rename(f.with_name("..x")), "'..x'", "..x"),
    "a name in capitals": Hostile(lambda f: Draft().write(f).rename(f.with_name("LAB")), "'LAB' is not", "LAB"),
    # who submits
    "facts that are not TOML": toml("who = <", "not TOML"),
    "HTML in who": toml('who = "<img src=x onerror=alert(1)>"', "could be markup"),
    "HTML in the notes": toml('notes = "a <b>great</b> method"', "could be markup"),
    "a line break in who": toml('who = "a\\nb"', "control character or a line break"),
    "an address of a script": toml('code = "javascript:alert(1)"', "must be an https address of the code"),
    "a contact that is markup": toml('contact = "x\\"><script>@a.b"', "must be an e-mail address or"),
    "a licence that is a sentence": toml('licence = "all rights are ours"', "SPDX identifier"),
    "an unknown key": toml("trusted = true", "unknown key 'trusted'"),
    "a time in the future": toml(f"submitted = {FUTURE}", "in the future"),
    # the bundle
    "a bundle that is not a zip": files(lambda f: (f / "runs.zip").write_bytes(b"MZ"), "cannot be read as a bundle"),
    "a path out of the folder": bundle(add("../../evil.json", b"{}"), "'../../evil.json' is not the path"),
    "an absolute path": bundle(add("/etc/cron.d/x", b""), "'/etc/cron.d/x' is not the path"),
    "a program in the bundle": bundle(add("shards/aa/x.py", b""), "'shards/aa/x.py' is not the path"),
    "one path twice": files(twice, "twice"),
    "a member larger than any run": bundle(larger, "134217728 bytes"),
    "no runs": bundle(lambda c: [c.pop(name) for name in list(c) if name.startswith("shards/")], "holds no runs"),
    "predictions without a record": bundle(without_record, "has predictions and no record"),
    "a changed bit": bundle(flipped, "was altered"),
    "a difficulty with other content": bundle(difficulty, "is not a difficulty record"),
    # records
    "a score that was raised": record(lambda r: r["scores"][0].update(accuracy=1.0), "accuracy is stated as 1.000000"),
    "a calibration that was improved": record(lambda r: r["scores"][0].update(ece=0.0), "ece is stated as 0.000000"),
    "HTML in the name of a method": record(lambda r: r["spec"].update(method="<script>"), "spec.method"),
    "a spec that is not of its id": record(lambda r: r["spec"].update(seed=99), "its spec has the id"),
    "predictions that were edited": runs(lambda: [all_right(simulated_run())], "true labels of"),
    "hard images left out": runs(lambda: [easy_images(simulated_run())], "test images are not those of the dataset"),
    "another draw": runs(wrong_task, "not those of draw coop, seed 1"),
    "other support images": runs(lambda: [other_digests(simulated_run())], "digests of its support images"),
    "a dataset of their own": runs(
        lambda: [simulated_run(dataset=DATASET), with_dataset("their_easy_set")], "not known to this board"
    ),
    # claims
    "an oracle that is not marked": runs(lambda: [unmarked(oracle_of())], "scores do not say so"),
    "the gain of an invented oracle": runs(
        lambda: [invented_oracle(simulated_run(), selected_on_test="epoch 3")], "settings select nothing on them"
    ),
    "an oracle's setting that is not marked": runs(lambda: [oracle_setting()], "settings select on test labels"),
    "more classes than the data": runs(
        lambda: [more_classes(simulated_run())], "classes are stated, and the data have"
    ),
    "settings that fill a page": runs(lambda: [simulated_run(config={"n": "x" * 50_000})], "at most 40000 are allowed"),
    "a device of 50,000 characters": runs(
        lambda: [stating(simulated_run(), device="x" * 50_000)], "at most 40000 are allowed"
    ),
    "other weights than the included ones": runs(
        lambda: [stating(simulated_run(), backbone_digest="0" * 32)], "the digest 000000000000, and the known"
    ),
    "other weights than the included ones in another precision": runs(
        lambda: [stating(simulated_run(precision="bf16"), backbone_digest="0" * 32)], "the digest 000000000000, and the"
    ),
    "two weights of one backbone": runs(
        lambda: [
            stating(simulated_run(seed=seed, backbone="ViT-B-16.openai"), backbone_digest=f"{seed}" * 32)
            for seed in (1, 2)
        ],
        "its weights of ViT-B-16.openai have the digest",
    ),
    "other weights behind code of others": runs(
        lambda: [stating(simulated_run(), backbone_digest="0" * 32, external=THEIR_CODE)], "the digest 000000000000"
    ),
    "weights without a digest": runs(
        lambda: [stating(simulated_run(), backbone_digest="")], "no digest of its weights of ViT-demo.drawn"
    ),
    "half precision on a CPU": runs(lambda: [simulated_run(precision="fp16")], "which its device cpu did not compute"),
    "TF32 on a CPU": runs(lambda: [simulated_run(precision="tf32")], "which its device cpu did not compute in"),
    "TF32 of a GPU on a CPU": runs(
        lambda: [stating(simulated_run(precision="tf32"), gpu=GPU.model_copy(update={"tf32": True}))],
        "which its device cpu did not compute in",
    ),
    "TF32 on a GPU that did not use it": runs(
        lambda: [stating(simulated_run(precision="tf32"), device="cuda:0", gpu=GPU)], "its device cuda:0 did not"
    ),
    "bfloat16 on a Mac": runs(
        lambda: [stating(simulated_run(precision="bf16"), device="mps")], "which its device mps did not compute in"
    ),
    "a precision that there is not": runs(lambda: [simulated_run(precision="fp8")], "states the precision fp8"),
    "learned texts in half precision": runs(
        lambda: [stating(simulated_run("coop", precision="fp16"), device="cuda:0", gpu=GPU)],
        "fp16, in which coop cannot learn through a tower",
    ),
    "learned images in half precision": runs(
        lambda: [stating(simulated_run("vpt", precision="fp16"), device="cuda:0", gpu=GPU)],
        "fp16, in which vpt cannot learn through a tower",
    ),
    "imported features in another precision": runs(
        lambda: [stating(simulated_run("gda", precision="bf16", backbone="features.toy"), device="cpu")],
        "the precision bf16, and imported features are fixed",
    ),
    "a run after its submission": record(lambda r: r.update(created_at="2026-11-30T00:00:00Z"), "after that of the"),
    "a run before there was any code": record(
        lambda r: r.update(created_at="2026-11-20T00:00:00Z"), "it began before there was any code"
    ),
    "a run that took a year": record(lambda r: r["cost"].update(train_seconds=3e7), "it began before there was any"),
    "a run that took as long as a number can be": record(
        lambda r: r["cost"].update(train_seconds=1e18), "it began before there was any code"
    ),
    "a run that ended before it began": record(lambda r: r["cost"].update(train_seconds=-1), "cost.train_seconds"),
    "a failed run": runs(lambda: [failed_run()], "it failed"),
    "held-out training images": runs(lambda: [simulated_run(fold="1/4")], "held-out training images"),
}


def with_dataset(name: str) -> Run:
    record, predictions = simulated_run(salt=3)
    spec = record.spec.model_copy(update={"dataset": name})
    return record.model_copy(update={"spec": spec, "run_id": spec.run_id}), predictions
