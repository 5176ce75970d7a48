"""Templates and template lists of published methods, in the order of their sources.

A wording has a method's words by the dataset's own template or, for datasets that share it with others, by their names.
"""

from collections.abc import Mapping
from typing import TypeVar

from datasets_registry import ClassSet

WordsT = TypeVar("WordsT")

GENERIC_TEMPLATE = "a photo of a {}."

SELECT7 = (
    "itap of a {}.",
    "a bad photo of the {}.",
    "a origami {}.",
    "a photo of the large {}.",
    "a {} in a video game.",
    "art of the {}.",
    "a photo of the small {}.",
)
"""Seven of CLIP's eighty templates, selected for ImageNet (CLIP's notebook; CoOp `IMAGENET_TEMPLATES_SELECT`)."""

IMAGENET80 = (
    "a bad photo of a {}.",
    "a photo of many {}.",
    "a sculpture of a {}.",
    "a photo of the hard to see {}.",
    "a low resolution photo of the {}.",
    "a rendering of a {}.",
    "graffiti of a {}.",
    "a bad photo of the {}.",
    "a cropped photo of the {}.",
    "a tattoo of a {}.",
    "the embroidered {}.",
    "a photo of a hard to see {}.",
    "a bright photo of a {}.",
    "a photo of a clean {}.",
    "a photo of a dirty {}.",
    "a dark photo of the {}.",
    "a drawing of a {}.",
    "a photo of my {}.",
    "the plastic {}.",
    "a photo of the cool {}.",
    "a close-up photo of a {}.",
    "a black and white photo of the {}.",
    "a painting of the {}.",
    "a painting of a {}.",
    "a pixelated photo of the {}.",
    "a sculpture of the {}.",
    "a bright photo of the {}.",
    "a cropped photo of a {}.",
    "a plastic {}.",
    "a photo of the dirty {}.",
    "a jpeg corrupted photo of a {}.",
    "a blurry photo of the {}.",
    "a photo of the {}.",
    "a good photo of the {}.",
    "a rendering of the {}.",
    "a {} in a video game.",
    "a photo of one {}.",
    "a doodle of a {}.",
    "a close-up photo of the {}.",
    "a photo of a {}.",
    "the origami {}.",
    "the {} in a video game.",
    "a sketch of a {}.",
    "a doodle of the {}.",
    "a origami {}.",
    "a low resolution photo of a {}.",
    "the toy {}.",
    "a rendition of the {}.",
    "a photo of the clean {}.",
    "a photo of a large {}.",
    "a rendition of a {}.",
    "a photo of a nice {}.",
    "a photo of a weird {}.",
    "a blurry photo of a {}.",
    "a cartoon {}.",
    "art of a {}.",
    "a sketch of the {}.",
    "a embroidered {}.",
    "a pixelated photo of a {}.",
    "itap of the {}.",
    "a jpeg corrupted photo of the {}.",
    "a good photo of a {}.",
    "a plushie {}.",
    "a photo of the nice {}.",
    "a photo of the small {}.",
    "a photo of the weird {}.",
    "the cartoon {}.",
    "art of the {}.",
    "a drawing of the {}.",
    "a photo of the large {}.",
    "a black and white photo of a {}.",
    "the plushie {}.",
    "a dark photo of a {}.",
    "itap of a {}.",
    "graffiti of the {}.",
    "a toy {}.",
    "itap of my {}.",
    "a photo of a cool {}.",
    "a photo of a small {}.",
    "a tattoo of the {}.",
)
"""CLIP's eighty ImageNet templates (prompt-engineering notebook)."""

GENERIC60 = (GENERIC_TEMPLATE, *(template for template in IMAGENET80[:60] if template != GENERIC_TEMPLATE))
"""The sixty that PromptSRC's teacher averages and APEX Table 8 compares with.

They are the first sixty of CLIP's, with the plain template moved to the front.
"""

TEMPLATE_LISTS = {"select7": SELECT7, "imagenet80": IMAGENET80, "generic60": GENERIC60}
"""The template lists, by their names in settings."""

COOP_WORDING: Mapping[str, str] = {}
"""CoOp's class texts are the datasets' own."""

KGCOOP_WORDING = {"{} texture.": "a photo of a {}, a type of texture."}
"""KgCoOp's, CLIPFit's and CoPrompt's class texts that differ from CoOp's for a dataset."""

PROGRAD_WORDING = {
    "a photo of a {}, a type of pet.": "a type of pet, a photo of a {}.",
    "a photo of a {}, a type of flower.": "a type of flower, a photo of a {}.",
    "a photo of a {}, a type of aircraft.": "a type of aircraft, a photo of a {}.",
    "a photo of {}, a type of food.": "a type of food, a photo of {}.",
    "{} texture.": "a texture of {}.",
}
"""ProGrad's class texts that differ from CoOp's for a dataset: the kind of object comes first."""

TCP_WORDING = KGCOOP_WORDING | {
    "a photo of a {}, a type of aircraft.": "a photo of an aircraft {}.",
    "a photo of {}, a type of food.": "a photo of a {}, a type of food.",
}
"""TCP's frozen class texts that differ from CoOp's for a dataset."""
TCP_PROMPT_WORDING = {"stanford_cars": "a photo of a {}, a type of car"}
"""TCP's learned class texts that differ from CoOp's for a dataset."""

SKIP_TUNING_WORDING = {
    "a photo of a {}, a type of pet.": "a bad photo of a {}, a type of pet.",
    "a photo of a {}, a type of flower.": "a close-up photo of a {}.",
    "a photo of a {}, a type of aircraft.": "a bright photo of a {}, a type of aircraft.",
    "a photo of {}, a type of food.": "a photo of the nice {}.",
    "a photo of a person doing {}.": "a photo of a {}, a type of sport.",
    "{} texture.": "itap of a {}.",
    "caltech101": "itap of a {}.",
    "stanford_cars": "a photo of the {}, a type of car.",
    "imagenet_sketch": "a sketch of a {}.",
    "imagenet_a": "a bad photo of a {}.",
    "imagenet_r": "a rendition of a {}.",
}
"""Skip Tuning's class texts that differ from CoOp's for a dataset."""

_PLOT_GENERIC = ("a photo of a", "this is a photo", "this is picture of", "one picture of a")
PLOT_WORDINGS = {
    "a photo of a {}.": _PLOT_GENERIC,
    "imagenet": ("a photo of a", "this is a photo", "this is a", "one picture of a"),
    "{} texture.": (
        "a photo of a texture",
        "this is a photo texture",
        "this is a picture texture",
        "one picture of a texture",
    ),
    "a centered satellite photo of {}.": (
        "a centered satellite photo of",
        "a centered satellite picture of",
        "this is centered satellite photo of",
        "one centered satellite photo of a",
    ),
    "a photo of a {}, a type of aircraft.": (
        "a photo of an aircraft",
        "a picture of an aircraft",
        "this is aircraft picture of",
        "one picture of an aircraft",
    ),
    "a photo of {}, a type of food.": (
        "a photo of a food",
        "this is a food photo",
        "this is food picture of",
        "one picture of a food",
    ),
    "a photo of a {}, a type of flower.": (
        "a photo of a flower",
        "one picture of a flower",
        "this is flower picture of",
        "one picture of a flower",
    ),
    "a photo of a {}, a type of pet.": (
        "a photo of a pet",
        "one picture of a pet",
        "this is pet picture of",
        "one picture of a pet",
    ),
    "a photo of a person doing {}.": (
        "a photo of a person doing",
        "this is a photo people doing",
        "this is picture of people doing",
        "one picture of a person doing",
    ),
}
"""The words that PLOT++'s four text prompts start from."""


def worded(wording: Mapping[str, WordsT], classes: ClassSet) -> WordsT | None:
    """The words for these classes; None if the wording has none."""
    return wording.get(classes.dataset or "", wording.get(classes.template))
