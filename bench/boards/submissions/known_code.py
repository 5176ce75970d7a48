"""Compares the stated weights of backbones and code of methods with those that are known here."""

from bench.record import RunRecord
from methods import MethodFacts

KNOWN_WEIGHTS = {"ViT-demo.drawn": "d21dff4958a03cb9ea0454c40663921e"}
"""`Backbone.digest` in fp32 by slug, of backbones whose weights are part of this package."""
_KNOWN_PRECISION = "fp32"


def weights_problem(record: RunRecord) -> str | None:
    """Why the weights of a run cannot be those of its backbone; None if they can, or are not known here."""
    spec, stated = record.spec, record.provenance.backbone_digest
    known = KNOWN_WEIGHTS.get(spec.backbone)
    if known in (None, stated) or spec.precision != _KNOWN_PRECISION:
        return None
    return f"its backbone has the weights {stated[:12]!r}, and {spec.backbone} has {known[:12]!r}"


def weights_are_known(record: RunRecord) -> bool:
    """Whether the weights of the run's backbone are known here."""
    return record.spec.backbone in KNOWN_WEIGHTS and record.spec.precision == _KNOWN_PRECISION


def code_note(record: RunRecord, facts: MethodFacts) -> str | None:
    """How the stated code of an installed method differs from the installed one; None if it does not."""
    made, method = record.provenance, record.spec.method
    if made.method_version != facts.version:
        return f"{method} was run in version {made.method_version}; version {facts.version} is installed here"
    if made.method_digest == (facts.code or None):
        return None
    if facts.code and made.method_digest is None:
        return f"the code of {method} is not stated"
    if facts.code:
        return f"the code of {method} is not the code that is installed here"
    return f"a digest of the code of {method} is stated, which cannot be compared: it is part of this package"
