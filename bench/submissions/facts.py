"""`submission.toml`: who submits, under which licence, and what is requested of the board."""

import json
import re
import tomllib
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from bench.bounds import CONTROL, Moment
from bench.errors import SubmissionError

FACTS_VERSION = 1
_MARKUP = re.compile(r"[<>]")


def plain_text(text: str) -> str:
    """Text of one line without markup, since pages and comments show it; raises ValueError for other text."""
    if CONTROL.search(text):
        raise ValueError("it has a control character or a line break; write one line of printable text")
    if _MARKUP.search(text):
        raise ValueError("it has '<' or '>', which could be markup; write plain text")
    return text


def _zoned(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("it has no time zone; write for example 2026-11-26T12:00:00Z")
    return value.astimezone(UTC)


Plain = Annotated[
    str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True), AfterValidator(plain_text)
]
"""One line of text, 1 to 200 characters, without `<` and `>`."""
Notes = Annotated[str, StringConstraints(max_length=2000, strip_whitespace=True), AfterValidator(plain_text)]
Link = Annotated[str, StringConstraints(max_length=300, pattern=r"^(https://[A-Za-z0-9.-]+(/[^\s<>\"'`()\[\]|]*)?)?$")]
"""An https address, or nothing."""
Contact = Annotated[
    str,
    StringConstraints(
        max_length=200, pattern=r"^([^\s<>\"'`|@]+@[A-Za-z0-9.-]+|https://[A-Za-z0-9.-]+/[^\s<>\"'`|]*)$"
    ),
]
"""An e-mail address or an https address."""
Licence = Annotated[str, StringConstraints(max_length=60, pattern=r"^[A-Za-z0-9][A-Za-z0-9.+-]*$")]
"""An SPDX identifier such as CC-BY-4.0."""


class SubmissionFacts(BaseModel):
    """The content of `submission.toml`; every text is safe to show on a page."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    submission_version: Literal[1] = 1
    who: Plain = Field(description="authors or laboratory")
    contact: Contact
    licence: Licence = Field(description="licence of the results")
    code: Link = Field("", description="URL of the code that made the runs")
    notes: Notes = Field("", description="one line for readers")
    verify: bool = Field(False, description="whether the board is asked to recompute some of the runs")
    submitted: Annotated[Moment, AfterValidator(_zoned)] = Field(
        description="time of preparation; of two submissions with the same run, the earlier one counts"
    )

    def to_toml(self) -> str:
        """The facts as TOML, one line each."""
        lines = []
        for name, value in self:
            if isinstance(value, datetime):
                text = value.isoformat(timespec="seconds").replace("+00:00", "Z")
            else:
                text = json.dumps(value, ensure_ascii=False)
            lines.append(f"{name} = {text}\n")
        return "".join(lines)


def parse_facts(text: str) -> SubmissionFacts:
    """The facts in a TOML text; raises SubmissionError, naming the first key that is wrong."""
    try:
        return SubmissionFacts.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise SubmissionError(f"submission.toml is not TOML ({error}).") from error
    except RecursionError as error:
        raise SubmissionError("submission.toml is nested too deeply.") from error
    except ValidationError as error:
        raise SubmissionError(_wrong(error)) from error


def build_facts(**values: object) -> SubmissionFacts:
    """Facts from options of the command line; raises SubmissionError for a wrong one."""
    try:
        return SubmissionFacts.model_validate(values)
    except ValidationError as error:
        raise SubmissionError(_wrong(error)) from error


_FORMS = {
    "contact": "an e-mail address or an https address",
    "code": "an https address, or nothing",
    "licence": "an SPDX identifier such as CC-BY-4.0",
    "submitted": "a time with its zone, such as 2026-11-26T12:00:00Z",
}


def _wrong(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"submission.toml has the unknown key {key!r}; allowed: {', '.join(SubmissionFacts.model_fields)}."
    if first["type"] == "missing":
        return f"submission.toml lacks {key!r}; it needs who, contact, licence and submitted."
    wanted = _FORMS.get(key)
    reason = f"it must be {wanted}" if wanted else first["msg"].removeprefix("Value error, ")
    return f"{key} {first['input']!r:.80} in submission.toml is not accepted: {reason}."
