"""Writes the TOML file of a custom dataset."""

import json
import os
from pathlib import Path

from datasets_registry._custom.dataset import CustomDataset
from datasets_registry._errors import DataError

_FIRST = ("title", "images", "kind", "split", "root", "template")
_LABELS_OF_A_LINE = 200
"""Longest list of names, in characters, on one line; in longer lists, each name has its own line."""


def to_toml(config: CustomDataset) -> str:
    """The text of the TOML file: a dozen lines, and one per class whose name differs from its label."""
    lines = ["# a custom dataset for etl-bench; `etl-bench docs datasets` explains every line"]
    values = config.model_dump(mode="json", exclude_none=True)
    lines += [f"{name} = {_text(values[name])}" for name in _FIRST if name in values]
    lines.append(f"orient = {'true' if config.orient else 'false'}  # turn images upright by their EXIF orientation")
    if columns := config.columns.named():
        lines.append(f"columns = {_inline(columns)}")
    lines.append(f"classes = {_list(config.classes)}")
    for name in ("small_classes", "skip"):
        if listed := getattr(config, name):
            lines.append(f"{name} = {_list(listed)}")
    if not config.names:
        lines.append("names = {}  # names for prompts, where they differ from the labels")
    lines += [f"{name} = {_text(getattr(config, name))}" for name in ("domain", "licence")]
    if config.names:
        lines += ["", "[names]  # names for prompts, where they differ from the labels; edit them"]
        lines += [f"{_text(label)} = {_text(name)}" for label, name in config.names.items()]
    return "\n".join(lines) + "\n"


def write_toml(config: CustomDataset, file: Path) -> None:
    """Write the file atomically; raises DataError if its folder cannot be written."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_name(f".{file.name}.part{os.getpid()}")
        partial.write_text(to_toml(config), encoding="utf-8")
        partial.replace(file)
    except OSError as error:
        raise DataError(
            f"{file} cannot be written ({error}). Set ETL_BENCH_DATASETS to a writable folder, or give --user."
        ) from error


def _text(text: str) -> str:
    """A TOML basic string; JSON uses the same escapes, except for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _list(texts: tuple[str, ...]) -> str:
    """A list on one line, or with one text per line if it is long."""
    one = f"[{', '.join(map(_text, texts))}]"
    return one if len(one) <= _LABELS_OF_A_LINE else "[\n" + "".join(f"  {_text(text)},\n" for text in texts) + "]"


def _inline(pairs: dict[str, str]) -> str:
    return "{ " + ", ".join(f"{_text(key)} = {_text(value)}" for key, value in pairs.items()) + " }"
