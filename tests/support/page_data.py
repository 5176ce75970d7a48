"""The data inside a written page."""

from __future__ import annotations

import base64
import json
import re
import zlib
from typing import Any


def block_of(page: str) -> dict[str, Any]:
    """The page's data block."""
    return dict(evidence_of(page, "page"))


def parts_of(page: str) -> dict[str, Any]:
    """The parts of every section that scripts draw first, apart from the content of folds."""
    block = block_of(page)
    return {**block["settings"][block["first"]]["sections"], **block["sections"]}


def drawn_of(page: str) -> str:
    """The texts of `parts_of` as JSON."""
    return json.dumps(parts_of(page), ensure_ascii=False)


def everything_of(page: str) -> str:
    """All texts that scripts draw, also those of folds and of all settings, as JSON."""
    block = block_of(page)
    folds = [evidence_of(page, anchor)["folds"] for anchor in block["settings"]]
    return json.dumps([block, folds], ensure_ascii=False)


def evidence_of(page: str, name: str) -> Any:
    """What the page unpacks: `page` at once, and on demand that of the setting with that anchor, or `lists`."""
    found = re.search(rf'id="evidence-{re.escape(name)}">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(zlib.decompress(base64.b64decode(found[1])))
