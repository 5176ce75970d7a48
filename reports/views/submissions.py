"""What a board was made from."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SubmissionView:
    """One submission to a board.

    Args:
        code: an https address, or empty.
        submitted: date and time as text.
        remarks: of the submitters.
        methods: names of its methods.
        runs: its completed runs; `counted` of them are on the board, the others are runs of earlier submissions.
        refusals: why it is not on the board; empty for an accepted one.
        checked: what was checked and noticed, one sentence each.
        verified: how many of its runs were recomputed, and with what result; empty if none was.
    """

    name: str
    who: str
    licence: str
    submitted: str
    code: str = ""
    remarks: str = ""
    methods: tuple[str, ...] = ()
    runs: int = 0
    counted: int = 0
    refusals: tuple[str, ...] = ()
    checked: tuple[str, ...] = ()
    verified: str = ""
