"""Names of backbones that exist only as imported features."""

BACKBONE_PREFIX = "features"
"""First part of the slug of a backbone that exists only as imported features: `features.<name>`."""


def has_imported_features(backbone: str) -> bool:
    """Whether the backbone of this slug exists only as imported features, without towers."""
    return backbone.startswith(f"{BACKBONE_PREFIX}.")
