"""Random commands by a grammar: a command of the tree, its arguments, and some options with good and bad values."""

from __future__ import annotations

import random
import shlex
from pathlib import Path
from typing import Any

from command_tree import commands, kind

LONG = (
    "demo", "recommend", "predict", "methods check", "methods new", "datasets fetch", "doctor",
    "doctor cache verify", "runs verify", "board verify", "board build",
)  # fmt: skip
"""Commands that compute, download, or look at the machine when nothing is wrong."""
ALWAYS = {"run": ["--dry-run"]}
NEVER = ("--watch", "--runner", "--folds", "--user")
NUMBERS = ("1", "4", "0", "-1", "two", "1.5", "99999999999", "1e400")
FILES = ("runs", "nosuch", "file.txt", "empty", "new/x", "table.csv", "pictures", ".", "/proc/x", "broken.zip")
TEXTS = ("some", "nosuch", "a=b", "=", ",", "ü", "<b>", "*", "none")
POOLS: dict[str, tuple[str, ...]] = {
    "methods": ("coop", "vpt", "zero_shot", "coop,vpt", "nosuch", "CoOp", "all", "co*", "apex_on:maple", "tda", ","),
    "datasets": ("spectrum_basic", "spectrum_blur", "spectrum_*", "eurosat", "nosuch", "spectrum_basic:test=2", "all"),
    "targets": ("spectrum_blur", "spectrum_basic", "eurosat", "nosuch", "all"),
    "backbones": ("ViT-demo.drawn", "ViT-B-16.openai", "ViT-B-16", "nosuch", "RN50=", "RN50=file.txt", "hf-hub:x/y"),
    "protocol": ("few-shot", "base-to-new", "cross-dataset", "test-time", "nosuch", "few_shot"),
    "shots": ("1", "4", "1,2", "all", "0", "many", "16,16", "all,4"),
    "seeds": ("1", "2", "7,", "1-3", "0", "x", "3-1"),
    "overrides": ("coop.n_ctx=4", "coop.n_ctx", "nosuch.x=1", "*.recipe.epochs=3", "coop.nosuch=1", "vpt.depth=x"),
    "device": ("auto", "cpu", "cuda", "gpu", "cuda:x", "all"),
    "launcher": ("local", "inline", "ray", "nosuch"),
    "retries": ("1", "-1"),
    "timeout": ("1", "1h", "0"),
    "memory": ("1", "x"),
    "jobs_per_gpu": ("2", "0"),
    "precision": ("fp32", "fp8"),
    "draw": ("coop", "nested", "file:nosuch.json", "random"),
    "support": ("noisy:0.2", "imbalanced:10", "noisy:7", "nosuch.json", "all"),
    "unlabelled": ("none", "train", "train:4", "nosuch"),
    "class_text": ("template", "template:a {}", "ensemble:select7", "nosuch", "descriptions:file.txt"),
    "selection": ("last", "validation", "oracle", "hoso", "nosuch"),
    "recipe": ("published", "demo", "nosuch"),
    "keep_models": ("best", "all", "some"),
    "rerun": ("missing", "all", "nosuch"),
    "tracker": ("none", "mlflow", "nosuch"),
    "log": ("plain", "none", "json", "nosuch"),
    "name": ("coop", "spectrum_basic", "nosuch", "ViT-demo.drawn", "mine", "Ü"),
    "a": ("coop", "zero_shot", "nosuch", "CoOp"),
    "b": ("vpt", "coop", "nosuch"),
    "where": ("method = 'coop'", "nosuch = 1", "true", "status = 'failed'", "1; drop table runs"),
    "query": ("select count(*) from runs", "select nosuch from runs", "drop table runs", "select 1; select 2"),
    "run": ("ok", "nosuch", "failed"),
    "paper": ("apex", "nosuch", "coop"),
    "what": ("nosuch", "table-99"),
    "on": ("synthetic", "nosuch"),
    "form": ("csv", "latex", "markdown", "parquet", "nosuch"),
    "figure": ("map", "nosuch"),
    "convention": ("mean_of_h", "h_of_means", "nosuch"),
    "source": ("runs", "published", "nosuch"),
    "column": ("method", "label=x", "nosuch", "nosuch=x"),
    "keep": ("5G", "5", "nosuch"),
    "topic": ("datasets", "nosuch", "faq"),
    "template": ("a {}", "a photo", "{} {}"),
    "contact": ("a@example.org", "me"),
    "images": ("pictures", "nosuch", "table.csv", "file.txt"),
}
"""Values of parameters by name, good and bad ones."""


def grammar(seed: int, number: int) -> list[str]:
    """That many different commands."""
    chance = random.Random(seed)
    tree = {words: command for words, command in commands().items() if words not in LONG}
    found: dict[str, None] = {}
    while len(found) < number:
        words = chance.choice(sorted(tree))
        found[shlex.join([*words.split(), *_parameters(tree[words], chance), *ALWAYS.get(words, ())])] = None
    return list(found)


def _parameters(command: Any, chance: random.Random) -> list[str]:
    arguments = [one for one in command.params if one.param_type_name != "option"]
    options = [one for one in command.params if one.param_type_name == "option" and one.opts[-1] not in NEVER]
    chosen = chance.sample(options, min(len(options), chance.randrange(4)))
    chosen += [one for one in options if one.required and one not in chosen and chance.random() < 0.9]
    if any(one.name == "datasets" for one in options) and chance.random() < 0.8:  # of a run, which needs both
        chosen += [one for one in options if one.name in ("methods", "datasets") and one not in chosen]
    typed = [_value(command, one, chance) for one in arguments if one.required or chance.random() < 0.3]
    for one in chosen:
        long = max(chance.choice([one.opts, one.secondary_opts or one.opts]), key=len)
        typed += [long] if getattr(one, "is_flag", False) else [long, _value(command, one, chance)]
    return typed


def _value(command: Any, parameter: Any, chance: random.Random) -> str:
    kinds: dict[Any, tuple[str, ...]] = {int: NUMBERS, float: NUMBERS, Path: FILES}
    of_kind = kinds.get(kind(command, parameter), TEXTS)
    return chance.choice(of_kind if kind(command, parameter) in kinds else POOLS.get(parameter.name, of_kind))
