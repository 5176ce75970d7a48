"""The result of checking a submission, as JSON that another command can read."""

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict

from bench.bounds import printable
from bench.submissions.facts import SubmissionFacts
from bench.submissions.run_facts import RunFacts

SHOWN = 5
"""Problems of one kind that are written out; the others are counted."""


class OwnChecks(BaseModel):
    """Results that depend on the submission alone; stored by the digest of its content.

    Args:
        name: of the submission; empty if it could not be opened.
        facts: None if it could not be opened.
        refusals: why it cannot be accepted, one sentence each.
        notes: what a reader should know, one sentence each.
        checked: what was checked, on how many runs.
        settings: settings that differ from the published ones, by method; an empty list where none does.
        runs: facts of its completed runs.
        root: of its bundle.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    digest: str = ""
    facts: SubmissionFacts | None = None
    refusals: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    checked: tuple[str, ...] = ()
    settings: dict[str, list[str]] = {}
    runs: tuple[RunFacts, ...] = ()
    root: str = ""


class Report(BaseModel):
    """The whole result for one submission, including comparisons with earlier submissions.

    Args:
        accepted: whether a board can take it.
        refusals, notes: of `own` and of the comparison with other submissions.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    accepted: bool
    refusals: tuple[str, ...]
    notes: tuple[str, ...]
    own: OwnChecks


def shortened(problems: Iterable[str]) -> list[str]:
    """The first problems, and how many more there are."""
    listed = list(problems)
    more = len(listed) - SHOWN
    return [*listed[:SHOWN], f"and {more} more of this kind"] if more > 0 else listed


def harmless(text: str) -> str:
    """One line of at most 1,000 characters without control characters and markup, for terminals and pages."""
    return printable(text)[:1000].replace("<", "‹").replace(">", "›")
