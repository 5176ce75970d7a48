"""Names of backbones, as users write them, and families of architectures, as papers name them. Loads no torch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datasets_registry import UnknownNameError, feature_bundle
from methods._backbones.backbone_spec import DEMO_ARCH, DEMO_TAG, IMPORTED, OWN_CONFIGS, BackboneSpec
from methods._backbones.model_folders import (
    FOLDER_ARCH,
    HUB_ARCH,
    MISSING_PACKAGE,
    WeightsError,
    file_sha,
    folder_digest,
    has_transformers,
    hub_tag,
    weights_in_folder,
)
from methods._backbones.open_clip_library import open_clip_names
from methods._backbones.preprocessing import FIELDS, OPENAI_PREPROCESSING, preprocessing_of_file
from methods._backbones.published_weights import BIOMEDCLIP, published_tags
from methods._backbones.weights_files import ACTIVATIONS, split_weights_options
from methods._towers.tower_facts import image_kind

SUGGESTED = {
    f"{DEMO_ARCH}.{DEMO_TAG}": "small CLIP trained on synthetic images, included in the package",
    "ViT-B-16.openai": "the field's standard",
    "ViT-B-32.openai": "smaller and faster",
    "ViT-L-14.openai": "larger",
    "RN50.openai": "ResNet; no visual prompts",
    "EVA02-B-16.merged2b_s8b_b131k": "EVA-02, used in APEX Table 15",
    "coca_ViT-B-32.laion2b_s13b_b90k": "CoCa, used in APEX Table 15",
}

_OF_ANOTHER_MODEL = " Features of another model become a backbone with `etl-bench datasets add NAME --features FILE`."


def parse_backbone(text: str) -> BackboneSpec:
    """Read `arch.tag`, `hf-hub:ORG/NAME`, `local-dir:FOLDER`, or `ARCH=FILE[,OPTIONS]` for a local weights file.

    The options of a file give the activation that its weights were trained with (`quickgelu`, `gelu`) and the
    preprocessing, either that of a pretrained tag of the architecture (`preprocess=TAG`) or the fields of
    `Preprocessing` (`mean=...,std=...`). For the hub and a folder, `open_clip_config.json` gives both.

    Raises:
        UnknownNameError: for an architecture or tag that open_clip does not know; near misses are listed.
        WeightsError: for a weights file that does not exist, options given twice, a folder or a repository without a
            model of open_clip, a hub that cannot be reached, or preprocessing that is malformed or unknown.
    """
    if (folder := folder_of(text)) is not None:
        path = weights_in_folder(Path(folder))
        return _checked(BackboneSpec(FOLDER_ARCH, f"local-{folder_digest(path)}", path))
    if text.startswith((f"{HUB_ARCH}:", f"{HUB_ARCH}.")):
        return _checked(BackboneSpec(HUB_ARCH, hub_tag(text[len(HUB_ARCH) + 1 :])))
    arch, equals, rest = text.partition("=")
    if equals:
        return _local(arch, rest)
    arch, dot, tag = text.partition(".")
    if not dot:
        raise UnknownNameError("backbone", text, SUGGESTED, _OF_ANOTHER_MODEL)
    if arch == IMPORTED:
        find_imported(tag)
        return BackboneSpec(arch, tag)
    if arch in OWN_CONFIGS:
        tags = ["random", DEMO_TAG] if arch == DEMO_ARCH else ["random"]
    elif arch in (architectures := known_architectures()):
        tags = ["random", *architectures[arch]]
    else:
        raise UnknownNameError("architecture", arch, architectures, _OF_ANOTHER_MODEL)
    if tag not in tags:
        raise UnknownNameError(f"weights of {arch}", tag, tags)
    return _checked(BackboneSpec(arch, tag))


def _checked(spec: BackboneSpec) -> BackboneSpec:
    """The spec; raises BenchError if its configuration cannot be read, or its text tower cannot be built here."""
    text = spec.config["text_cfg"]
    if "hf_model_name" in text and not has_transformers():
        raise WeightsError(f"The text tower of {spec.slug}, {text['hf_model_name']}, needs {MISSING_PACKAGE}.")
    return spec


def local_source(text: str) -> str | None:
    """The weights file with its options, or the folder, in the text of a backbone; None if it has neither.

    `ARCH=SOURCE` with the architecture of the spec describes the same backbone.

    Example:
        >>> local_source("ViT-B-32=w.pt,gelu"), local_source("local-dir:models/mine"), local_source("ViT-B-16.openai")
        ('w.pt,gelu', 'models/mine', None)
    """
    folder = folder_of(text)
    return folder or (text.partition("=")[2] or None)


def folder_of(text: str) -> str | None:
    """The folder of `local-dir:FOLDER`, which may be written `local-dir=FOLDER`; None for any other backbone."""
    return text[len(FOLDER_ARCH) + 1 :] if text.startswith((f"{FOLDER_ARCH}:", f"{FOLDER_ARCH}=")) else None


def _local(arch: str, text: str) -> BackboneSpec:
    file, suffix = split_weights_options(text)
    path = Path(file)
    if not path.is_file():
        problem = f"No weights file at {path}." if file else f"{arch}= names no weights file."
        raise WeightsError(
            f"{problem} Give ARCH=FILE, such as ViT-B-32=weights.safetensors,quickgelu; options of a "
            f"file are quickgelu, gelu, preprocess=TAG and {', '.join(f'{name}=' for name in FIELDS)}."
        )
    option_texts = suffix.split(",")[1:]
    activations = [option for option in option_texts if option in ACTIVATIONS]
    pairs = [option.partition("=")[::2] for option in option_texts if option not in ACTIVATIONS]
    options = dict(pairs)
    if len(activations) > 1 or len(options) < len(pairs):
        raise WeightsError(f"{arch}={text} has an option twice; give each once.")
    activation: Any = activations[0] if activations else None
    _checked(BackboneSpec(arch, "local", path, activation))
    where = f"{arch}={path}" + (f",{activation}" if activation else "")
    preprocessing = preprocessing_of_file(arch, options, where=where)
    # OpenAI's preprocessing is left out, since it was once used for every file
    facts = (activation or "") + ("" if preprocessing == OPENAI_PREPROCESSING else preprocessing.option_text)
    sha = file_sha(path)
    sha.update(facts.encode())
    return BackboneSpec(arch, f"local-{sha.hexdigest()[:8]}", path, activation, preprocessing)


def find_imported(tag: str) -> list[feature_bundle.FeatureBundle]:
    """The bundles made with the backbone `features.<tag>`; raises UnknownNameError if there are none."""
    bundles = feature_bundle.find_bundles()
    matching = [bundle for bundle in bundles if bundle.facts.backbone == tag]
    if not matching:
        tags = {bundle.facts.backbone for bundle in bundles}
        raise UnknownNameError(f"backbone of imported features ({IMPORTED}.NAME)", tag, tags)
    return matching


_BY_NAME = (
    ("SigLIP2", "SigLIP 2"),
    ("SigLIP", "SigLIP"),
    ("PE-Core", "PE-Core"),
    ("MobileCLIP2", "MobileCLIP2"),
    ("MobileCLIP", "MobileCLIP"),
    ("ViTamin", "ViTamin"),
    ("CLIPA", "CLIPA"),
    ("worldwide", "MetaCLIP 2"),
    ("EVA", "EVA-CLIP"),
    ("coca_", "CoCa"),
    ("nllb-", "NLLB-CLIP"),
)
_TEXT_MODELS = (
    ("xlm-roberta", "CLIP with XLM-R"),
    ("mt5", "CLIP with mT5"),
    ("roberta", "CLIP with RoBERTa"),
    ("bert", "CLIP with BERT"),
)


def family_of(arch: str, config: Mapping[str, Any]) -> str:
    """The family of an architecture.

    Args:
        config: open_clip's `model_cfg`.
    """
    if arch in OWN_CONFIGS:
        return "small CLIP of this package"
    for part, family in _BY_NAME:
        if part in arch:
            return family
    text_model = config["text_cfg"].get("hf_model_name", "").lower()
    for part, family in _TEXT_MODELS:
        if part in text_model:
            return family
    timm_name = config["vision_cfg"].get("timm_model_name")
    if timm_name is not None:
        return "CLIP, ConvNeXt" if timm_name.startswith("convnext") else "CLIP, other image towers of timm"
    return "CLIP, ViT" if image_kind(config) == "vit" else "CLIP, ResNet"


def known_architectures() -> dict[str, list[str]]:
    """Every architecture by name, with the tags of its pretrained weights."""
    library = open_clip_names()
    own_tags = {arch: ["drawn"] if arch == "ViT-demo" else [] for arch in OWN_CONFIGS}
    library_tags = {arch: list(library.list_pretrained_tags_by_model(arch)) for arch in library.list_models()}
    return own_tags | {
        arch: [*library_tags.get(arch, []), *published_tags(arch)] for arch in [*library_tags, BIOMEDCLIP]
    }
