"""Records what official code computes on the tiny CLIP: initial tensors, five training steps, logits, and the noise.

`tests/fixtures/parity/NAME.safetensors` and `NAME.json` get the numbers, and none of the code. `parity_kit.replay`
compares ours with them. The noise of a group of tensors is the largest change when all weights of the official model
are multiplied by 1 + 3e-7 N(0, 1).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from parity_kit import FOLDER, facts, images, tiny_backbone
from safetensors.torch import save_file
from torch import Tensor, nn

STEPS, BATCH = 5, 4
NOISE = 3e-7


class Official(Protocol):
    """One official training that takes one step at a time, built and ready for its first step.

    Attributes:
        trained: the trained parameters by their official names.
        optimizer: their optimiser; its rate is that of the next step.
        facts: what the configuration of the case records.
    """

    trained: Mapping[str, nn.Parameter]
    optimizer: torch.optim.Optimizer
    facts: Mapping[str, Any]

    def step(self, pixels: Tensor, labels: Tensor) -> float:
        """One official training step and one step of the schedule; returns the loss."""

    def logits(self, which: str, pixels: Tensor) -> Tensor:
        """Logits against the `base`, `new` or `all` class names, as the official test computes them."""

    def extras(self) -> Mapping[str, Tensor]:
        """Further tensors of the last step or of the whole training, by name."""


@dataclass(frozen=True)
class CaseSettings:
    """One case: the settings that the method's recorder understands, and the classes.

    Args:
        evaluated: class lists whose logits are recorded.
    """

    settings: Mapping[str, Any]
    train_classes: str = "base"
    evaluated: tuple[str, ...] = ("base", "new")


def case(which: str, **settings: Any) -> CaseSettings:
    """A case that is tested on the classes that it is trained on."""
    return CaseSettings(settings, train_classes=which, evaluated=(which,))


Weights = dict[str, Tensor]
"""CLIP's weights by OpenAI's names."""
Run = Callable[[CaseSettings, Weights, Mapping[str, Tensor]], tuple[dict[str, Tensor], dict[str, Any]]]
"""Runs an official training and returns its tensors and its configuration; initial values replace the official ones."""


def class_names(which: str) -> list[str]:
    """The class names of the recorded images."""
    names: list[str] = facts()["classnames"]
    return {"base": names[:5], "new": names[5:], "all": names}[which]


def weights(noise: int = 0) -> Weights:
    """The tiny CLIP's weights; with a seed, multiplied by 1 + 3e-7 N(0, 1)."""
    state = {name: value.clone() for name, value in tiny_backbone().model.state_dict().items() if name != "attn_mask"}
    if noise:
        generator = torch.Generator().manual_seed(noise)
        state = {k: v * (1 + NOISE * torch.randn(v.shape, generator=generator)) for k, v in state.items()}
    return state


def batches(case: CaseSettings) -> Tensor:
    """Image indices of each step, `(steps, batch)`; every class of a small batch is another one."""
    n = 2 * len(class_names(case.train_classes))
    generator = torch.Generator().manual_seed(1)
    return torch.stack([torch.randperm(n, generator=generator)[:BATCH] for _ in range(STEPS)])


def record_case(case: CaseSettings, run: Run) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a case and its configuration."""
    torch.manual_seed(0)
    tensors, config = run(case, weights(), {})
    torch.manual_seed(0)
    again, _ = run(case, weights(noise=1), group(tensors, "init"))
    noise: dict[str, float] = {}
    for key, value in tensors.items():
        if not value.is_floating_point():
            continue
        parts = key.split("/")
        name = "/".join(parts[:2]) if parts[0].startswith("logits") else parts[0]
        noise[name] = max(noise.get(name, 0.0), float((value - again[key]).abs().max()))
    shared = {
        "train_classes": case.train_classes,
        "eval_classes": list(case.evaluated),
        "batch_size": BATCH,
        "steps": STEPS,
        "trainable_parameters": {name: list(value.shape) for name, value in group(tensors, "init").items()},
    }
    return tensors, shared | config | {"fp32_noise_floor_max_abs": noise}


def step_by_step(
    case: CaseSettings, official: Official, start: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Run an official training that takes one step at a time."""
    with torch.no_grad():
        for name, value in start.items():
            official.trained[name].copy_(value)
    found = copies("init", official.trained)
    found |= logits("logits_before", case, official.logits)
    index, rates, losses = batches(case), [], []
    for step, chosen in enumerate(index, start=1):
        rates.append(official.optimizer.param_groups[0]["lr"])
        losses.append(official.step(images("train")[chosen], chosen // 2))
        if step == 1:
            found |= gradients(official.trained)
        if step in (1, STEPS):
            found |= copies(f"after{step}", official.trained)
    found |= logits("logits_after", case, official.logits)
    found |= {name: value.detach().clone() for name, value in official.extras().items()}
    found |= {"batch_idx": index, "loss": torch.tensor(losses, dtype=torch.float64)}
    config = {"lr_per_step": rates, "optimizer": optimizer_facts(official.optimizer), **official.facts}
    return found, config


def recording_optimizer(
    kind: type[torch.optim.Optimizer],
    trained: Callable[[], Mapping[str, nn.Parameter]],
    before: Callable[[], Mapping[str, Tensor]],
    start: Mapping[str, Tensor],
    found: dict[str, Tensor],
    facts: dict[str, Any],
) -> type[torch.optim.Optimizer]:
    """An optimiser for a training that runs in one call; it writes the tensors of the steps and its own facts.

    Args:
        trained: the trained parameters by their official names, once the optimiser is made.
        before: further tensors of the untrained model.
    """
    rates = facts["lr_per_step"] = []

    class Recording(kind):  # type: ignore[misc, valid-type]
        def __init__(self, *args: Any, **settings: Any) -> None:
            super().__init__(*args, **settings)
            facts["optimizer"] = optimizer_facts(self) | {"class": kind.__name__}
            self.trained = trained()
            with torch.no_grad():
                for name, value in start.items():
                    self.trained[name].copy_(value)
            found.update(copies("init", self.trained) | before())

        def step(self, closure: Any = None) -> None:
            rates.append(self.param_groups[0]["lr"])
            if len(rates) == 1:
                found.update(gradients(self.trained))
            super().step(closure)
            if len(rates) in (1, STEPS):
                found.update(copies(f"after{len(rates)}", self.trained))

    return Recording


def copies(prefix: str, trained: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The values of trained parameters, under a prefix."""
    return {f"{prefix}/{name}": value.detach().clone() for name, value in trained.items()}


def gradients(trained: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
    """The gradients of the first step; raises ValueError for a parameter without one."""
    absent = [name for name, value in trained.items() if value.grad is None]
    if absent:
        raise ValueError(f"no gradient for {', '.join(absent)}")
    return {f"grad1/{name}": value.grad.detach().clone() for name, value in trained.items() if value.grad is not None}


def optimizer_facts(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The class of an optimiser and its arguments."""
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in optimizer.defaults.items()}
    return {"class": type(optimizer).__name__, **plain}


def logits(when: str, case: CaseSettings, official: Callable[[str, Tensor], Tensor]) -> dict[str, Tensor]:
    """Logits of the test images against each class list of the case."""
    with torch.no_grad():
        return {f"{when}/{which}": official(which, images("test")).clone() for which in case.evaluated}


def group(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors under a prefix, without it."""
    return {key.removeprefix(prefix + "/"): value for key, value in tensors.items() if key.startswith(prefix + "/")}


def write(method: str, source: str, cases: Mapping[str, CaseSettings], run: Run) -> None:
    """Record all cases of a method and write its two files."""
    tensors: dict[str, Tensor] = {}
    configs: dict[str, Any] = {}
    for name, case in cases.items():
        found, configs[name] = record_case(case, run)
        tensors |= {f"{name}/{key}": value.contiguous() for key, value in found.items()}
    save_file(tensors, str(FOLDER / f"{method}.safetensors"))
    described = {"method": method, "source": source, "cases": configs}
    (FOLDER / f"{method}.json").write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
