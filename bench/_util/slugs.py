"""File names for backbones and datasets."""

import hashlib
import re


def slug(name: str) -> str:
    """A readable and unique file name for `name`: special characters become `-`, followed by a short digest."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name)
    return plain if plain == name else f"{plain.strip('-')}.{hashlib.sha256(name.encode()).hexdigest()[:8]}"
