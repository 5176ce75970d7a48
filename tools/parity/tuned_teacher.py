"""A teacher for PromptKD: PromptSRC of this project on a CLIP of other widths, also as files of the official code."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from comparison_jobs import SHOTS, both_prompts
from official_task import weights_file

from bench import RunContext, plan
from bench.experiment.features.inputs import shared_inputs
from bench.experiment.kept_models import restored_method
from bench.experiment.model_file import read_model
from bench.experiment.runner import run_and_keep
from bench.experiment.teacher import read_teacher
from bench.sweep import local_weights
from methods import Precision

TRAINING = {"epochs": 3, "steps_per_shot": 0, "batch_size": 0, "augment": False}


@dataclass(frozen=True)
class TunedTeacher:
    """The model file, and the files of the official code: CLIP's weights and the trained prompts.

    Args:
        pool: path and label of each training image of the dataset, which both students see without its label.
    """

    model: Path
    backbone: str
    clip: Path
    prompts: Path
    pool: list[tuple[str, int]]

    @property
    def files(self) -> dict[str, Path]:
        """The model file by its digest, for the context of a run."""
        return {read_teacher(self.model).digest: self.model}

    @property
    def given(self) -> dict[str, object]:
        """What the adapter gets."""
        return {"clip": str(self.clip), "prompts": str(self.prompts), "pool": self.pool}


def tuned_teacher(backbone: str, *, root: Path, split: Path, folder: Path, seed: int) -> TunedTeacher:
    """Train the teacher for a few steps and write its files into the folder."""
    (spec,) = plan(
        "promptsrc", "eurosat", backbone=backbone, protocol="few-shot", shots=SHOTS, seeds=[seed], data_root=root,
        runs=folder / "runs", settings={f"promptsrc.recipe.{name}": value for name, value in TRAINING.items()},
    ).specs  # fmt: skip
    context = RunContext(data_root=root, weights=local_weights([backbone]))
    content = run_and_keep(spec, context)[2]
    if isinstance(content, Exception):
        raise content
    model, prompts = folder / "teacher.model", folder / "prompts.tar"
    model.write_bytes(content)
    info, tensors = read_model(model)
    clip = shared_inputs(backbone, context, Precision.FP32).backbone
    learned = both_prompts(restored_method(info, tensors, clip))  # type: ignore[arg-type]
    state = {name: tensor.detach().clone() for name, tensor in learned.items()}
    torch.save({"state_dict": state, "epoch": 20}, prompts)
    images = json.loads(split.read_text())["train"]
    pool = [(str(root / "eurosat/2750" / path), label) for path, label, _ in images]
    return TunedTeacher(model, backbone, weights_file(clip, folder / "clip.pt"), prompts, pool)
