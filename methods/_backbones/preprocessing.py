"""How images are preprocessed for a backbone, as open_clip does it. Loads no torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

from datasets_registry import UnknownNameError
from methods._backbones.model_folders import WeightsError
from methods._backbones.open_clip_library import open_clip_names
from methods._backbones.published_weights import published_tags

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)

Interpolation = Literal["bicubic", "bilinear"]
ResizeMode = Literal["shortest", "longest", "squash"]


@dataclass(frozen=True)
class Preprocessing:
    """open_clip's `preprocess_cfg`; the default is OpenAI's. The size is always that of the backbone's image tower.

    Args:
        mean: mean of each channel, for values in 0..1.
        std: standard deviation of each channel.
        interpolation: filter of every resize, also in training views.
        resize_mode: how the evaluation view is made. `shortest` resizes the shorter side and crops the centre,
            `longest` resizes the longer side and pads with `fill_color`, `squash` changes the aspect ratio.
        fill_color: grey level 0..255.
    """

    mean: tuple[float, float, float] = CLIP_MEAN
    std: tuple[float, float, float] = CLIP_STD
    interpolation: Interpolation = "bicubic"
    resize_mode: ResizeMode = "shortest"
    fill_color: int = 0

    @property
    def option_text(self) -> str:
        """All values, as the options of a weights file: `mean=0.5:0.5:0.5,...`."""
        return ",".join(f"{field.name}={_text(getattr(self, field.name))}" for field in fields(self))


OPENAI_PREPROCESSING = Preprocessing()
FIELDS = tuple(field.name for field in fields(Preprocessing))


def preprocessing_of_tag(arch: str, tag: str) -> Preprocessing:
    """The preprocessing that pretrained weights were trained with."""
    if tag in published_tags(arch):
        return OPENAI_PREPROCESSING
    return _preprocessing(open_clip_names().get_pretrained_cfg(arch, tag), f"{arch}.{tag}")


def preprocessing_of_config(described: Mapping[str, Any], *, where: str) -> Preprocessing:
    """The preprocessing that an `open_clip_config.json` gives; raises WeightsError for a value not allowed."""
    return _preprocessing(described.get("preprocess_cfg") or {}, where)


def _preprocessing(facts: Mapping[str, Any], where: str) -> Preprocessing:
    stated = {name: facts[name] for name in FIELDS if facts.get(name) is not None}
    stated |= {name: tuple(stated[name]) for name in ("mean", "std") if isinstance(stated.get(name), list)}
    return Preprocessing(**_checked(stated, where))


def preprocessing_of_file(arch: str, options: Mapping[str, str], *, where: str) -> Preprocessing:
    """The preprocessing of a local weights file.

    Args:
        options: `preprocess` names a pretrained tag of the architecture. Every field can be given as text and replaces
            the tag's value. A field that is not given must be equal for all pretrained tags of the architecture.
        where: the backbone as the user wrote it, for error messages.

    Raises:
        WeightsError: for a value that is not allowed, or that is not given although the tags differ.
        UnknownNameError: for an unknown tag.
    """
    stated = _checked({name: _value(name, text) for name, text in options.items() if name != "preprocess"}, where)
    tags = open_clip_names().list_pretrained_tags_by_model(arch)
    if "preprocess" in options:
        if options["preprocess"] not in (allowed := [*tags, *published_tags(arch)]):
            raise UnknownNameError(f"weights of {arch}", options["preprocess"], allowed)
        tags = [options["preprocess"]]
    tag_of: dict[Preprocessing, str] = {}
    for tag in tags:
        tag_of.setdefault(replace(preprocessing_of_tag(arch, tag), **stated), tag)
    if len(tag_of) > 1:
        differ = [name for name in FIELDS if len({getattr(preprocessing, name) for preprocessing in tag_of}) > 1]
        texts = {
            tag: ",".join(f"{name}={_text(getattr(preprocessing, name))}" for name in differ)
            for preprocessing, tag in tag_of.items()
        }
        raise WeightsError(
            f"It is unknown how the images of {where} were preprocessed, because the pretrained weights of {arch} "
            f"differ ({'; '.join(f'{tag}: {values}' for tag, values in texts.items())}). Write {where},preprocess=TAG "
            f"with the tag of the same preprocessing, or give the values, such as {where},{next(iter(texts.values()))}."
        )
    return next(iter(tag_of), replace(OPENAI_PREPROCESSING, **stated))


def _value(name: str, text: str) -> object:
    """The parsed value of a text; the text itself if it does not have the field's type."""
    try:
        if name in ("mean", "std"):
            numbers = tuple(float(part) for part in text.split(":"))
            return numbers * 3 if len(numbers) == 1 else numbers
        return int(text) if name == "fill_color" else text
    except ValueError:
        return text


def _checked(values: dict[str, Any], where: str) -> dict[str, Any]:
    """The values; raises WeightsError if one is not allowed."""
    for name, value in values.items():
        allowed, good = _RULES[name]
        if not good(value):
            raise WeightsError(f"{where}: {name}={_text(value)} is not allowed; give {allowed}.")
    return values


def _is_triple(value: object) -> bool:
    return isinstance(value, tuple) and len(value) == 3 and all(math.isfinite(number) for number in value)


_RULES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "mean": ("one number, or three such as 0.48:0.46:0.41", _is_triple),
    "std": ("one positive number, or three such as 0.27:0.26:0.28", lambda v: _is_triple(v) and min(v) > 0),
    "interpolation": (" or ".join(get_args(Interpolation)), lambda v: v in get_args(Interpolation)),
    "resize_mode": (" or ".join(get_args(ResizeMode)), lambda v: v in get_args(ResizeMode)),
    "fill_color": ("a grey level 0..255", lambda v: isinstance(v, int) and 0 <= v <= 255),
}


def _text(value: object) -> str:
    return ":".join(map(repr, value)) if isinstance(value, tuple) else str(value)
