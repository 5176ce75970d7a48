"""Template lists are facts of their sources; how one follows from another is checked against what was printed."""

from __future__ import annotations

import hashlib

from methods._text.templates import GENERIC60, IMAGENET80, SELECT7


def test_the_sixty_are_those_of_the_source_in_its_order():
    """The digest is that of the list written out; a mean of features has other bits in another order."""
    assert (len(GENERIC60), GENERIC60[0], GENERIC60[-1]) == (60, "a photo of a {}.", "itap of the {}.")
    digest = hashlib.sha256("\n".join(GENERIC60).encode()).hexdigest()
    assert digest == "dc3398ed3ffc7c259342582bc0f36d7ac66c4dee17981a37b77b0fc9c23d4f72"


def test_the_shorter_lists_are_part_of_the_eighty():
    assert len(set(IMAGENET80)) == len(IMAGENET80) == 80
    assert set(GENERIC60) < set(IMAGENET80)
    assert set(SELECT7) < set(IMAGENET80)
