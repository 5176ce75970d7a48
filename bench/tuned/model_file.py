"""Model files: one safetensors file per model, with its description in the header. Nothing is unpickled.

A file is written atomically. Its header has a checksum of description and tensors.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError
from safetensors import SafetensorError, safe_open

from bench._util.atomic_write import write_atomically
from bench.tuned.model_card import model_card
from bench.tuned.model_info import FORMAT_VERSION, ModelInfo
from datasets_registry import BenchError

if TYPE_CHECKING:
    from torch import Tensor

SUFFIX = ".safetensors"
MODELS = "models"
"""Folder of stored models below the runs folder."""
_KEY, _SUM = "etl-bench model", "sha256"


class ModelFileError(BenchError, ValueError):
    """A model file that does not exist, is damaged, or does not fit its use."""


def model_path(runs: Path, run_id: str) -> Path:
    """The file of a run's model."""
    return runs / MODELS / f"{run_id}{SUFFIX}"


def model_bytes(info: ModelInfo, tensors: Mapping[str, "Tensor"]) -> bytes:
    """The content of a model file."""
    import safetensors.torch

    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    text = info.model_dump_json()
    return safetensors.torch.save(plain, {_KEY: text, _SUM: _checksum(text, plain)})


def write_model(path: Path, content: bytes) -> None:
    """Write a model file, and its card beside it. A missing folder is created."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content)
    write_atomically(path.with_suffix(".md"), model_card(read_model_info(path), path).encode())


def read_model_info(path: Path) -> ModelInfo:
    """The description of a model, without its tensors and without torch. Raises ModelFileError."""
    _, info = _header(path, "np")
    return info


def read_model(path: Path) -> tuple[ModelInfo, dict[str, "Tensor"]]:
    """A model and its tensors on the CPU, compared with the checksum. Raises ModelFileError."""
    header, info = _header(path, "pt")
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is no mapping
    except (SafetensorError, OSError) as error:
        raise _damaged(path, str(error)) from None
    if header[_SUM] != _checksum(header[_KEY], tensors):
        raise _damaged(path, "its content does not match its checksum")
    return info, tensors


@dataclass(frozen=True)
class ListedModel:
    """A model file of a folder. If it cannot be read, `info` is None and `problem` has the reason."""

    path: Path
    size: int
    info: ModelInfo | None
    problem: str = ""


def list_models(folder: Path) -> list[ListedModel]:
    """All model files of a folder, by name."""
    found = []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            found.append(ListedModel(path, path.stat().st_size, read_model_info(path)))
        except ModelFileError as error:
            found.append(ListedModel(path, path.stat().st_size, None, str(error)))
    return found


def _header(path: Path, framework: str) -> tuple[dict[str, str], ModelInfo]:
    if not path.is_file():
        raise ModelFileError(f"There is no model file {path}. `etl-bench models` lists the models of a runs folder.")
    try:
        with safe_open(path, framework) as file:
            header = dict(file.metadata() or {})
    except (SafetensorError, OSError, UnicodeDecodeError) as error:
        raise _damaged(path, str(error)) from None
    if _KEY not in header or _SUM not in header:
        raise ModelFileError(f"{path} is not a tuned model of etl-bench, but another safetensors file.")
    try:
        version = int(json.loads(header[_KEY])["format_version"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _damaged(path, "its header has no format version") from None
    if version > FORMAT_VERSION:
        raise ModelFileError(
            f"{path} has format {version}, and this release reads format {FORMAT_VERSION}; install a newer etl-bench."
        )
    try:
        return header, ModelInfo.model_validate_json(header[_KEY])
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise _damaged(path, f"{where}: {first['msg']}") from None


def _damaged(path: Path, reason: str) -> ModelFileError:
    return ModelFileError(f"The model file {path} is damaged ({reason}); keep the model again with --keep-models.")


def _checksum(text: str, tensors: Mapping[str, "Tensor"]) -> str:
    import torch

    sha = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        value = tensors[name]
        sha.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        sha.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return sha.hexdigest()
