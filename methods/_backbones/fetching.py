"""Fetches the weights and the tokenizer of a backbone. Loads no torch if there is nothing to fetch."""

from pathlib import Path

from methods._backbones.backbone_spec import OWN_CONFIGS, BackboneSpec, WeightsError
from methods._backbones.model_folders import HUB_ARCH, hub_weights
from methods._backbones.open_clip_import import open_clip


def fetch_weights(spec: BackboneSpec) -> Path | None:
    """The file of a backbone's pretrained weights, fetched if it is not on disk; None for weights of other kinds.

    Raises WeightsError or ModelFolderError if it cannot be fetched.
    """
    if spec.imported or spec.path is not None or spec.arch in OWN_CONFIGS or spec.tag == "random":
        return None
    if spec.arch == HUB_ARCH:
        return hub_weights(spec.repository)
    try:
        return Path(open_clip().download_pretrained(open_clip().get_pretrained_cfg(spec.arch, spec.tag)))
    except Exception as error:  # open_clip, urllib and the hub client share no base class
        activation = "quickgelu" if spec.config["quick_gelu"] else "gelu"
        raise WeightsError(
            f"The weights {spec.slug} could not be fetched ({type(error).__name__}: {error}). "
            f"With a copy on disk, give -b '{spec.arch}=FILE,{activation},preprocess={spec.tag}'."
        ) from error


def fetch_tokenizer(spec: BackboneSpec) -> None:
    """Make sure that the text tower's tokenizer is on disk; raises TokenizerError if it is not available."""
    if spec.text_tower_error is None and spec.tokenizer is not None:
        from methods._text.hub_tokenizers import hub_tokenizer

        hub_tokenizer(spec.tokenizer)
