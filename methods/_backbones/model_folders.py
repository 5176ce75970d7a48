"""Models and tokenizers in repositories of the Hugging Face hub and in local folders. Loads no torch.

A model has its own `open_clip_config.json`. open_clip writes it as `hf-hub:ORG/NAME` or `local-dir:FOLDER`.
"""

import hashlib
import importlib.util
import re
from functools import cache
from pathlib import Path
from typing import Any

from datasets_registry import BenchError, foreign_files
from methods._backbones.open_clip_library import open_clip_names

LARGEST_CONFIGURATION = 4 * 2**20
"""The configuration of a backbone; those of open_clip have less than 10 KiB."""
LARGEST_SIDE, LARGEST_WIDTH = 4096, 65_536
"""Pixels of a tower's image, and numbers in its features; open_clip has at most 1,024 and 1,664."""
LARGEST_NUMBER, MOST_LAYERS = 4_000_000, 1000
"""Any number in a backbone's configuration, such as its vocabulary of up to 256,000 words, and its layers, up to 48."""

MISSING_PACKAGE = "the package transformers (pip install 'clip-etl-bench[transformers]')"


class WeightsError(BenchError, ValueError):
    """Weights, a tokenizer or a configuration that is missing or wrong, or an activation or preprocessing not known."""


@cache
def has_transformers() -> bool:
    """Whether transformers is installed; it is not imported."""
    return importlib.util.find_spec("transformers") is not None


HUB_ARCH = "hf-hub"
FOLDER_ARCH = "local-dir"
CONFIG_FILE = "open_clip_config.json"
HUB_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
"""Names of weight files in a repository, in the order in which open_clip looks for them."""
_TOKENIZER_SUFFIXES = (".json", ".txt", ".model")
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


def hub_tag(name: str) -> str:
    """The tag of a repository, usable in file names, with `--` for the slash; raises WeightsError if malformed.

    Example:
        >>> hub_tag("timm/ViT-B-16-SigLIP2"), hub_repository("timm--ViT-B-16-SigLIP2")
        ('timm--ViT-B-16-SigLIP2', 'timm/ViT-B-16-SigLIP2')
    """
    repository = name if "/" in name else hub_repository(name)
    if not _REPOSITORY.fullmatch(repository):
        raise WeightsError(f"{HUB_ARCH}:{name} is not a repository of the Hugging Face hub; write {HUB_ARCH}:ORG/NAME.")
    return repository.replace("/", "--")


def hub_repository(tag: str) -> str:
    """The inverse of `hub_tag`; a name on the hub contains no `--`."""
    return tag.replace("--", "/", 1)


def hub_config(repository: str) -> dict[str, Any]:
    """The configuration of a repository: the cached copy, or fetched once; raises WeightsError."""
    return _read_config(hub_file(repository, CONFIG_FILE))


def hub_file(repository: str, name: str, revision: str = "") -> Path:
    """A file of a repository: the cached copy, or fetched; raises WeightsError if it is not available."""
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    cached = try_to_load_from_cache(repository, name, revision=revision or None)
    if isinstance(cached, str):
        return Path(cached)
    try:
        return Path(hf_hub_download(repository, name, revision=revision or None))
    except Exception as error:  # the errors of requests, of the hub and of the file system share no base class
        first = " ".join(str(error).split())[:200]
        raise WeightsError(
            f"{HUB_ARCH}:{repository}: {name} is not in the hub's cache, and could not be fetched "
            f"({type(error).__name__}: {first}). Connect once, or copy the repository and give {FOLDER_ARCH}:FOLDER."
        ) from error


def hub_weights(repository: str) -> Path:
    """The weights file of a repository: the first of open_clip's two names that it has; raises WeightsError."""
    try:
        return hub_file(repository, HUB_WEIGHTS[0])
    except WeightsError:
        return hub_file(repository, HUB_WEIGHTS[1])


def folder_config(folder: Path) -> dict[str, Any]:
    """The configuration in a folder; raises WeightsError."""
    return _read_config(folder / CONFIG_FILE)


def weights_in_folder(folder: Path) -> Path:
    """The weights file that open_clip chooses in a folder; raises WeightsError if there is no model."""
    if not (folder / CONFIG_FILE).is_file():
        what = "has no file" if folder.is_dir() else "is not a folder with a file"
        raise WeightsError(
            f"{FOLDER_ARCH}:{folder} {what} {CONFIG_FILE}; give the folder that open_clip's push_to_hf_hub wrote."
        )
    if (chosen := open_clip_names()._find_checkpoint_in_dir(folder)) is None:
        raise WeightsError(f"{FOLDER_ARCH}:{folder} has no weights; copy {HUB_WEIGHTS[0]} into it.")
    return Path(chosen)


def folder_digest(weights: Path) -> str:
    """Hex SHA-256 (8 digits) of a folder's weights file, configuration and tokenizer files."""
    sha = file_sha(weights)
    for file in sorted(weights.parent.iterdir()):
        if file.suffix in _TOKENIZER_SUFFIXES and file.is_file():
            sha.update(file.name.encode() + file.read_bytes())
    return sha.hexdigest()[:8]


def file_sha(path: Path) -> "hashlib._Hash":
    """The SHA-256 of a regular file's content, read in parts; raises WeightsError for another file."""
    try:
        with foreign_files.regular_file(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256")
    except OSError as error:
        raise WeightsError(f"The weights {path} cannot be read: {error.strerror or error}.") from error


def _read_config(file: Path) -> dict[str, Any]:
    try:
        config = foreign_files.read_json(file, LARGEST_CONFIGURATION)
        parts = config["model_cfg"]["embed_dim"], config["model_cfg"]["vision_cfg"], config["model_cfg"]["text_cfg"]
        valid = isinstance(parts[0], int) and all(isinstance(part, dict) for part in parts[1:])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{file} is not a configuration of open_clip ({type(error).__name__}: {error}).") from error
    if not valid:
        raise WeightsError(f"{file} is not a configuration of open_clip: model_cfg has a part of the wrong type.")
    if wrong := _impossible(config["model_cfg"], "model_cfg"):
        raise WeightsError(f"{file} is not a configuration of a model that exists: {wrong}.")
    return dict(config)


_LARGEST = {
    "embed_dim": LARGEST_WIDTH, "width": LARGEST_WIDTH, "image_size": LARGEST_SIDE, "patch_size": LARGEST_SIDE,
    "layers": MOST_LAYERS, "context_length": LARGEST_WIDTH,
}  # fmt: skip


def _impossible(value: object, name: str) -> str | None:
    """The first number of a configuration that is too large to build a model with; None if there is none."""
    most = _LARGEST.get(name.rpartition(".")[2], LARGEST_NUMBER)
    if isinstance(value, dict):
        return next(
            (impossible for key, item in value.items() if (impossible := _impossible(item, f"{name}.{key}"))), None
        )
    if isinstance(value, list) and len(value) > MOST_LAYERS:
        return f"{name} has {len(value)} entries, and at most {MOST_LAYERS} are allowed"
    if isinstance(value, list):
        return next((impossible for item in value if (impossible := _impossible(item, name))), None)
    if isinstance(value, int | float) and not abs(value) <= most:
        return f"{name} is {value}, and at most {most} is allowed"
    return None
