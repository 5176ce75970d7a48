"""Loads a backbone from its spec."""

import torch

from methods._backbones.backbone import Backbone
from methods._backbones.backbone_names import find_imported
from methods._backbones.backbone_spec import DEMO_ARCH, DEMO_TAG, BackboneSpec
from methods._backbones.demo import demo_state_dict
from methods._backbones.fetching import fetch_weights
from methods._backbones.imported_features import ImportedBackbone
from methods._backbones.precision import Precision
from methods._backbones.weights import build_model, load_pretrained, load_state, read_weights


def load_backbone(spec: BackboneSpec, *, device: str = "cpu", precision: Precision = Precision.FP32) -> Backbone:
    """Load a backbone; open_clip fetches named weights into its own cache the first time.

    Raises WeightsError if weights do not fit, cannot be read, or cannot be fetched.
    """
    if spec.imported:
        return ImportedBackbone(spec, find_imported(spec.tag), device)
    config = spec.config
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build_model(config, initialise=spec.tag == "random")
    if spec.described is not None and (file := spec.path or fetch_weights(spec)) is not None:
        load_pretrained(model, file, spec.slug)
    elif spec.path is not None:
        load_state(model, read_weights(spec.path), str(spec.path))
    elif spec.arch == DEMO_ARCH and spec.tag == DEMO_TAG:
        load_state(model, demo_state_dict(), "the demo weights")
    elif (file := fetch_weights(spec)) is not None:
        load_pretrained(model, file, spec.slug)
    return Backbone(spec, model.to(device), precision=precision)
