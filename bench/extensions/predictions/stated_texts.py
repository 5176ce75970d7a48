"""Texts of questions and answers, and of what others state: how long they may be. Loads no numpy."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from bench.bounds import Line
from datasets_registry import GIB

CHOICES = "{choices}"
"""Stands for the names of the classes in a prompt."""
PROMPT = f"Which of these is shown in the last image? Answer with one name only: {CHOICES}"
MODEL = "MODEL"
"""Stands for the name of the model in requests."""
LARGEST_TEXT = 4 * GIB
"""Bytes of a file of JSON lines; 50,000 images with 1,000 scores each have 0.5 GiB."""
LONGEST_ANSWER = 20_000
"""Characters of the answer of a language model."""
Stated = Annotated[Line, Field(max_length=200)]
"""A short text; empty if it is not stated."""
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


def shown(value: object) -> str:
    """A value of a stranger in a message."""
    return cut(repr(value), 100)


def cut(text: str, longest: int) -> str:
    """A text of at most so many characters."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def architecture(name: str) -> str:
    """OpenAI's name of a model as an architecture.

    Example:
        >>> architecture("ViT-L/14@336px")
        'ViT-L-14-336'
    """
    return name.replace("/", "-").replace("@336px", "-336")
