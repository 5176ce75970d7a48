"""Sizes of a backbone: `embed_dim`, `text_width` and the others that parameter formulas use."""

from typing import Protocol, runtime_checkable

FORMULA_SIZES = {
    "embed_dim": "embed_dim",
    "text_width": "text_width",
    "text_blocks": "text_depth",
    "image_width": "vision_width",
    "image_blocks": "vision_depth",
    "image_parameters": "image_parameters",
}
"""Names of a backbone's sizes in a formula, and the attribute that gives each."""


@runtime_checkable
class BackboneSizes(Protocol):
    """The sizes of a backbone that formulas use; its weights need not be loaded."""

    @property
    def embed_dim(self) -> int:
        """Width of the joint space."""

    @property
    def text_width(self) -> int:
        """Width of the text tower."""

    @property
    def text_depth(self) -> int:
        """Number of blocks of the text tower."""

    @property
    def vision_width(self) -> int:
        """Width of the image tower."""

    @property
    def vision_depth(self) -> int:
        """Number of blocks of the image tower."""

    @property
    def image_parameters(self) -> int:
        """Number of weights of the image tower."""
