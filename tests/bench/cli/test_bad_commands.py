"""Any text as input: a plan, an answer, or one clear line, no trace, and every finished run still there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from folder_snapshot import snapshot
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.slow  # the table of wrong commands, commands.toml

OPTIONS = (
    "-m", "-d", "-b", "--shots", "--seeds", "--protocol", "--set", "--draw", "--class-text", "--targets", "--recipe"
)  # fmt: skip
QUESTIONS = ("runs show --", "runs sql --", "runs export out.zip --where", "compare --")
ONE_PLACE = (HealthCheck.function_scoped_fixture,)
texts = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=40)


def clear(said: str) -> bool:
    """Whether the last line is ours."""
    lines = [line for line in said.splitlines() if line.strip()]
    return bool(lines) and "Traceback" not in said and lines[-1].startswith("error: ")


@settings(max_examples=60, suppress_health_check=ONE_PLACE)
@given(option=st.sampled_from(OPTIONS), value=texts)
@example(option="--set", value="coop.n_ctx=[" * 20)
@example(option="-m", value="*" * 30)
@example(option="-m", value="[red]coop[/red]")
@example(option="--shots", value="9" * 400)
@example(option="-d", value="spectrum:shift=" + "1" * 300)
@example(option="--class-text", value="descriptions:.")
def test_any_text_gives_a_plan_or_a_clear_line(option: str, value: str, inside: Path, etl: Any) -> None:
    base = {"-m": "coop", "-d": "spectrum_basic"} | {option: value}
    code, _, said = etl("run", *(text for pair in base.items() for text in pair), "--dry-run")
    assert code == 0 or clear(said), said


@settings(max_examples=40, suppress_health_check=ONE_PLACE)
@given(
    command=st.sampled_from(["runs show --", "runs sql --", "runs export out.zip --where", "compare --"]), value=texts
)
@example(command="runs sql --", value="select '")
@example(command="runs show --", value="%")
@example(command="runs export out.zip --where", value="1=1) --")
def test_any_question_to_the_results_is_answered_or_refused(command: str, value: str, inside: Path, etl: Any) -> None:
    before = snapshot(inside / "runs" / "shards")
    code, _, said = etl(*command.split(), value, *(["coop"] if command.startswith("compare") else []))
    assert code == 0 or clear(said), said
    assert snapshot(inside / "runs" / "shards") == before
