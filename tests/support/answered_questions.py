"""A stand-in for a language model that answers a file of questions as a service does."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

MODEL = "Talker 7B"
NOON = 1767268800
"""2026-01-01, 12:00 UTC."""


def requests(questions: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in questions.read_text(encoding="utf-8").splitlines()]


def answer(custom_id: str, content: object, **body: object) -> dict[str, Any]:
    """One line of a service's file of answers."""
    choices = [{"message": {"role": "assistant", "content": content}}]
    found = {"model": MODEL, "created": NOON, "choices": choices} | body
    return {"custom_id": custom_id, "response": {"status_code": 200, "body": found}, "error": None}


def answered(questions: Path, reply: Callable[[str], object]) -> list[dict[str, Any]]:
    """The answers to all questions, by a function of the id."""
    return [answer(one["custom_id"], reply(one["custom_id"])) for one in requests(questions)]


def write(path: Path, rows: list[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
