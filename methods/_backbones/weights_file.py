"""Checks that a weights file can be read, before any run starts. Loads no torch."""

import json
import zipfile
from pathlib import Path

from methods._backbones.backbone_spec import WeightsError

UNEXPECTED_BIAS = (
    "{where} has a logit bias, and the architecture has none. It was trained with a sigmoid loss: give its own "
    "architecture, or use local-dir:FOLDER with init_logit_bias in the model_cfg of open_clip_config.json."
)
_PICKLED = b"\x80"
"""First byte of a checkpoint of torch before version 1.6."""


def check_weights_file(path: Path, *, takes_bias: bool = True) -> None:
    """Raise WeightsError for a file that cannot be opened, or is neither safetensors nor a checkpoint of torch.

    With `takes_bias` False, a safetensors file must not have a logit bias.
    """
    try:
        with path.open("rb") as file:
            start = file.read(8)
            length = int.from_bytes(start, "little")
            whole = len(start) == 8 and length <= path.stat().st_size - 8
            header = file.read(length) if path.suffix == ".safetensors" and whole else b""
        readable = _is_header(header) if path.suffix == ".safetensors" else _is_checkpoint(path, start)
    except OSError as error:
        raise WeightsError(f"The weights file {path} cannot be read: {error.strerror or error}.") from error
    if readable and not takes_bias and "logit_bias" in (json.loads(header) if header else ()):
        raise WeightsError(UNEXPECTED_BIAS.format(where=path))
    if not readable:
        kind = "safetensors file" if path.suffix == ".safetensors" else "checkpoint of torch"
        raise WeightsError(
            f"The weights file {path} is not a {kind}, or it is damaged. Copy it again, or save the state dict as "
            "safetensors and give that file."
        )


def _is_header(header: bytes) -> bool:
    try:
        return isinstance(json.loads(header), dict)
    except ValueError:
        return False


def _is_checkpoint(path: Path, start: bytes) -> bool:
    return start.startswith(_PICKLED) or zipfile.is_zipfile(path)
