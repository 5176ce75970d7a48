"""Which methods run on which backbones and datasets, decided before any weights are loaded."""

from collections.abc import Iterator

from datasets_registry import DatasetInfo, EvalProtocol
from methods import BackboneSpec, Family, MethodConfig, MethodInfo, Needs, Precision, Recipe


def protocol_conflicts(
    method: MethodInfo, config: MethodConfig, recipe: Recipe | None, protocol: EvalProtocol
) -> Iterator[str]:
    """The reasons why a method with these settings cannot run in a protocol, with remedies; none if it can."""
    if method.reads_test_stream != (protocol is EvalProtocol.TEST_TIME) and method.family is not Family.ZERO_SHOT:
        yield (
            f"it learns from unlabelled test images and has a board of its own; use --protocol {protocol.TEST_TIME}."
            if method.reads_test_stream
            else f"it does not learn from the test stream of {protocol}; use another protocol, or a method that does."
        )
        return
    if protocol not in (EvalProtocol.FEW_SHOT, EvalProtocol.TEST_TIME) and not method.is_open(config):
        others = "new classes" if protocol is EvalProtocol.BASE_TO_NEW else "other datasets"
        yield (
            f"its parameters are tied to the training classes, so it cannot score the {others} of {protocol}; "
            f"use --protocol {EvalProtocol.FEW_SHOT}."
        )
    if reason := config.config_error():
        yield reason
    if method.recipes and recipe is None:
        yield f"it has no recipe for {protocol}, only for {', '.join(sorted(method.recipes))}."


def text_conflict(backbone: BackboneSpec) -> str | None:
    """The reason why no class names can be encoded with a backbone, with the remedy; None if they can."""
    reason = backbone.text_tower_error
    return None if reason is None else f"{reason}."


def depth_conflict(method: MethodInfo, config: MethodConfig, backbone: BackboneSpec) -> str | None:
    """The reason why prompts of these settings are deeper than a tower, with the remedy; None if they are not."""
    for setting, tower in method.prompt_depths.items():
        depth, blocks = getattr(config, setting), backbone.depth(tower)
        if blocks is not None and depth > blocks:
            return f"{setting}={depth}, but the {tower} tower has {blocks} blocks; use 1 to {blocks}, or 0 for all."
    return None


def backbone_conflict(method: MethodInfo, backbone: BackboneSpec, precision: str = Precision.FP32) -> str | None:
    """The reason why a method cannot run on a backbone, with the remedy; None if it can."""
    if precision == Precision.FP16 and (method.learns_text or method.needs & {Needs.PIXELS, Needs.HIDDEN}):
        return "gradients through a tower underflow in fp16; use --precision bf16, or fp32."
    if backbone.imported:
        if precision != Precision.FP32:
            return f"imported features are fixed and not computed in {precision}; use --precision fp32."
        if method.needs & {Needs.PIXELS, Needs.POOLED, Needs.HIDDEN, Needs.TEST_VIEWS}:
            return "it reads images, and imported features have none; use a method that needs features only."
        if method.learns_text:
            return "it learns texts, and imported features have no text tower; use a method with plain class texts."
    if method.vision_transformer and not backbone.is_vision_transformer:
        return (
            "it works inside the image tower, which must be a vision transformer; this one is "
            f"{backbone.image_tower_name}; use a ViT backbone such as ViT-B-16.openai."
        )
    if method.learns_text and not backbone.learns_text:
        return (
            "it learns texts, and the text tower of this backbone takes whole texts only; use a method with plain "
            "class texts."
        )
    for use in sorted(method.tower_use):
        if reason := backbone.tower_error(use):
            return f"{reason}; use a backbone such as ViT-B-16.openai."
    return text_conflict(backbone) if method.reads_text else None


def settings_conflict(method: MethodInfo, config: MethodConfig, backbone: BackboneSpec) -> str | None:
    """The reason why these settings cannot run with imported features, with the remedy; None if they can."""
    if not backbone.imported:
        return None
    if method.reads_test_stream and getattr(config, "views", None):
        return f"it reads views of test images, and imported features have none; use --set {method.name}.views=0."
    if lists := [text for text in getattr(config, "templates", ()) if text != "own" and "{}" not in text]:
        return (
            f"it encodes the templates {', '.join(lists)}, and imported features have one text per class; use "
            f"--set '{method.name}.templates=[\"own\"]'."
        )
    return None


def dataset_conflict(dataset: DatasetInfo, backbone: BackboneSpec) -> str | None:
    """The reason why a dataset cannot be used with a backbone, with the remedy; None if it can."""
    if dataset.backbone is not None and dataset.backbone != backbone.slug:
        return f"its features were made with {dataset.backbone}; use -b {dataset.backbone}."
    if dataset.backbone is None and backbone.imported:
        return f"{backbone.slug} has features of imported datasets only; use a backbone with towers."
    return None
