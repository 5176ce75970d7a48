"""Two hundred commands by a grammar: each is an answer, a plan or one clear line, and a refusal changes nothing."""

from __future__ import annotations

from pathlib import Path

from command_answers import answers, complaint
from command_grammar import grammar

SEED, NUMBER = 1, 200
DOCUMENTED = {0, 1, 3}
"""Exit codes of commands that are not refused; 3 is that of plans that leave something out, and of `--strict`."""


def problem(command: str, code: int | str, said: str, changed: list[str]) -> str:
    """What is wrong with an answer; empty if nothing is. Only the values of `--set` are checked by a method's code."""
    if "is imported" in str(code):
        return "" if "--set" in command and command.startswith("run") else str(code)
    if code in DOCUMENTED:
        return said if "Traceback" in said or "error:" in said else ""
    remarks = [line for line in said.splitlines(keepends=True) if not line.startswith("note: ")]
    return complaint(code, "".join(remarks), changed)


def test_a_command_of_the_grammar_is_answered_or_refused_in_one_line(tmp_path: Path) -> None:
    found = answers(grammar(SEED, NUMBER), tmp_path)
    assert len(found) == NUMBER
    wrong = {command: text for command, answer in found.items() if (text := problem(command, *answer))}
    assert wrong == {}
    refused = sum(code == 2 for code, _, _ in found.values())
    assert 40 < refused < NUMBER - 20
