"""Compares the stated weights of backbones and code of methods with those that are known here, and names of methods."""

from functools import cache

from bench.record import RunRecord
from methods import MethodFacts, stored_facts

KNOWN_WEIGHTS = {"ViT-demo.drawn": "d21dff4958a03cb9ea0454c40663921e"}
"""`Backbone.digest` in fp32 by slug, of backbones whose weights are part of this package."""
_KNOWN_PRECISION = "fp32"


def weights_problem(record: RunRecord) -> str | None:
    """Why the weights of a run cannot be those of its backbone; None if they can, or are not known here."""
    stated, known = record.provenance.backbone_digest, known_weights(record)
    if known in (None, stated):
        return None
    return f"its backbone has the weights {stated[:12]!r}, and {record.spec.backbone} has {known[:12]!r}"


def known_weights(record: RunRecord) -> str | None:
    """The digest of the weights that the run's backbone has here; None if they are not known."""
    return KNOWN_WEIGHTS.get(record.spec.backbone) if record.spec.precision == _KNOWN_PRECISION else None


def code_note(record: RunRecord, facts: MethodFacts) -> str | None:
    """How the stated code of an installed method differs from the installed one; None if it does not."""
    made, method = record.provenance, record.spec.method
    if made.method_version != facts.version:
        return f"{method} was run in version {made.method_version}; version {facts.version} is installed here"
    if made.method_digest == (facts.source_digest or None):
        return None
    if facts.source_digest and made.method_digest is None:
        return f"the code of {method} is not stated"
    if facts.source_digest:
        return f"the code of {method} is not the code that is installed here"
    return f"a digest of the code of {method} is stated, which cannot be compared: it is part of this package"


@cache
def one_method(a: str, b: str) -> bool:
    """Whether two names are of one method, or of a method and a wrapper of it, which may change nothing.

    The name of a wrapper of this package without `:host` stands for any of its hosts.
    """
    if a.rpartition(":")[2] == b.rpartition(":")[2]:
        return True
    wrappers = stored_facts().wrappers
    return any(name in wrappers and other in wrappers[name].hosts for name, other in ((a, b), (b, a)))
