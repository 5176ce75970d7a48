"""The submissions of a board."""

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
        refusals: reasons for a refusal; empty if it is accepted.
        checked: checks and notes, one sentence each.
        verified: number of recomputed runs and the result; empty if none was recomputed.
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
