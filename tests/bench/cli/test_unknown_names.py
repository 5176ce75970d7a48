"""A name that does not exist is answered with exit code 2 and one line with the name, in every command."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from command_answers import answers, complaint
from command_tree import commands, kind

NOSUCH = "nosuch"
VALID = {
    "dataset": "spectrum_basic", "a": "coop", "b": "vpt", "paper": "apex", "model": "broken.safetensors",
    "images": "pictures", "methods": "coop", "datasets": "spectrum_basic", "query": "select 1", "run": "ok",
    "chosen": "ok", "who": "me", "contact": "me@example.org", "secret": "s", "form": "csv",
    "out": "out.json", "submissions": "pictures", "names": "spectrum_basic", "file": "features.npz",
    "files": "file.txt", "what": "table-2", "backbone": "ViT-demo.drawn", "classes": "classes.txt",
    "ledger": "", "trial": "", "protocol": "base-to-new",
}  # fmt: skip
"""Values of parameters that a command needs beside the one under test."""
BESIDE = {
    "datasets add": ["--images", "pictures"], "datasets add backbone": ["--features", "features.npz"],
    "papers reproduce": ["table-2"],
}  # fmt: skip
"""What is typed beside a parameter, or beside all of a command, so that it is read."""
OF_COMMAND = {
    "datasets add name": "birds", "methods name": "coop", "datasets name": "spectrum_basic",
    "backbones name": "ViT-demo.drawn",
    "runs export out": "out.zip",
}  # fmt: skip
NEW = {"methods new name", "datasets add name"}
"""Names that are to be new."""
LATER = {
    "predict": ("model",), "runs verify": ("chosen",),
    "board verify": ("submissions",), "methods check": ("name",),
    "runs import-predictions": (),
}  # fmt: skip
"""Parameters that are checked first, of commands that need a model, a package, code or predictions."""


def cases() -> Iterator[tuple[str, str]]:
    """A parameter, and a command in which it has a name that does not exist."""
    for words, command in commands().items():
        for one in command.params:
            first = LATER.get(words, (one.name,))
            free = f"{words} {one.name}" in NEW or one.metavar in ("TEXT", "URL", "OWNER/NAME")
            if kind(command, one) is str and one.name in first and not free:
                yield f"{words} {one.name}", shlex.join(typed(words, command, one))


def typed(words: str, command: Any, tested: Any) -> list[str]:
    """The command with the name in one parameter, and with what else it needs."""
    found = words.split()
    for one in command.params:
        wanted = one.required or (words == "run" and one.name in ("methods", "datasets"))
        if one is not tested and not wanted:
            continue
        text = NOSUCH if one is tested else valid(words, one.name)
        found += [text] if one.param_type_name != "option" else [max(one.opts, key=len), text]
    beside = BESIDE.get(f"{words} {tested.name}", [] if tested.name in ("images", "what") else BESIDE.get(words, []))
    return [*found, *beside, *(["--dry-run"] if words == "run" else [])]


def valid(words: str, name: str) -> str:
    group = words.partition(" ")[0]
    return OF_COMMAND.get(f"{words} {name}") or OF_COMMAND.get(f"{group} {name}") or VALID.get(name, "pictures")


def test_a_name_that_does_not_exist_is_refused_in_one_line_that_names_it(tmp_path: Path) -> None:
    asked = dict(cases())
    assert len(asked) > 80
    found = answers(list(asked.values()), tmp_path)
    wrong = {}
    for place, command in asked.items():
        code, said, changed = found[command]
        if problem := complaint(code, said, changed) or ("" if NOSUCH in said else said):
            wrong[place] = f"{command}: {problem}"
    assert wrong == {}
