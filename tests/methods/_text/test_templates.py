"""Template lists are facts of their sources; how one follows from another is checked against what was printed."""

from __future__ import annotations

import hashlib

from methods._text import templates


def test_the_sixty_are_those_of_the_source_in_its_order():
    """The digest is that of the list written out; a mean of features has other bits in another order."""
    assert (len(templates.GENERIC60), templates.GENERIC60[0], templates.GENERIC60[-1]) == (
        60,
        "a photo of a {}.",
        "itap of the {}.",
    )
    digest = hashlib.sha256("\n".join(templates.GENERIC60).encode()).hexdigest()
    assert digest == "dc3398ed3ffc7c259342582bc0f36d7ac66c4dee17981a37b77b0fc9c23d4f72"


def test_the_shorter_lists_are_part_of_the_eighty():
    assert len(set(templates.IMAGENET80)) == len(templates.IMAGENET80) == 80
    assert set(templates.GENERIC60) < set(templates.IMAGENET80)
    assert set(templates.SELECT7) < set(templates.IMAGENET80)
