"""Fetches the weights and the tokenizer of a backbone. Loads no torch if there is nothing to fetch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from methods._backbones.backbone_spec import OWN_CONFIGS, BackboneSpec, WeightsError
from methods._backbones.hub import cached_file, why_unreachable
from methods._backbones.model_folders import HUB_ARCH, HUB_WEIGHTS, hub_weights
from methods._backbones.open_clip_import import open_clip


def fetch_weights(spec: BackboneSpec) -> Path | None:
    """The file of a backbone's pretrained weights, fetched if it is not on disk; None for weights of other kinds.

    Raises WeightsError or ModelFolderError if it cannot be fetched.
    """
    if spec.imported or spec.path is not None or spec.arch in OWN_CONFIGS or spec.tag == "random":
        return None
    if spec.arch == HUB_ARCH:
        return hub_weights(spec.repository)
    activation = "quickgelu" if spec.config["quick_gelu"] else "gelu"
    advice = f"With a copy on disk, give -b '{spec.arch}=FILE,{activation},preprocess={spec.tag}'."
    source = open_clip().get_pretrained_cfg(spec.arch, spec.tag)
    if not _on_disk(source) and (reason := why_unreachable()):
        raise WeightsError(
            f"The weights {spec.slug} are not in the hub's cache, and {reason}. Connect once to fetch them. {advice}"
        )
    try:
        return Path(open_clip().download_pretrained(source))
    except Exception as error:  # open_clip, urllib and the hub client share no base class
        first = " ".join(str(error).split())[:200]
        raise WeightsError(
            f"The weights {spec.slug} could not be fetched ({type(error).__name__}: {first}). {advice}"
        ) from error


def _on_disk(source: Mapping[str, Any]) -> bool:
    """Whether the hub need not be asked for pretrained weights: they are cached, or come from elsewhere."""
    repository, _, name = str(source.get("hf_hub") or "").rpartition("/")
    names = [name, str(Path(name).with_suffix(".safetensors"))] if name else HUB_WEIGHTS
    return not repository or any(cached_file(repository, one) for one in names)


def fetch_tokenizer(spec: BackboneSpec) -> None:
    """Make sure that the text tower's tokenizer is on disk; raises TokenizerError if it is not available."""
    if spec.text_tower_error is None and spec.tokenizer is not None:
        from methods._text.hub_tokenizers import hub_tokenizer

        hub_tokenizer(spec.tokenizer)
