"""Names of backbones and datasets as names of files."""

from __future__ import annotations

import hashlib
import re


def slug(name: str) -> str:
    """A file name for `name`, readable and unlike any other name's: odd characters become `-`, then a short digest."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name)
    return plain if plain == name else f"{plain.strip('-')}.{hashlib.sha256(name.encode()).hexdigest()[:8]}"
