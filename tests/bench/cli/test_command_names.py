"""The names of the commands, and the one option for resources of a cluster."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
import typer.main

from bench.cli._request_options import parse_keys
from bench.cli.app import PANELS, app
from bench.errors import UsageError


def group() -> Any:
    return typer.main.get_command(app)


def test_help_lists_the_commands_in_their_panels(etl):
    code, out, _ = etl("--help")
    assert code == 0
    names = [name for panel in PANELS.values() for name in panel]
    places = [out.index(f"─ {panel} ─") for panel in PANELS]
    assert places == sorted(places)
    assert re.findall(r"^│ (\S+)", out[places[0] :], flags=re.M) == names


def test_every_group_of_commands_lists_what_it_has():
    """A group that also does something by itself, such as `doctor`, is a command."""
    waiting = {"etl-bench": group()}
    while waiting:
        name, one = waiting.popitem()
        below = {f"{name} {word}": command for word, command in one.commands.items() if hasattr(command, "commands")}
        waiting |= below
        assert name == "etl-bench" or one.invoke_without_command or "list" in one.commands, name


def test_help_has_brackets_as_they_were_written(etl):
    _, out, _ = etl("compare", "--help")
    assert "'coop [n_ctx=4]'" in " ".join(out.replace("│", " ").split())


def test_resources_are_fields_of_the_request(etl):
    command = "run -m coop -d spectrum_basic --launcher slurm --print-toml --resource partition=gpu --resource gpus=2 "
    command += "--resource script-only --resource sbatch.account=me --resource sbatch.exclusive"
    code, out, _ = etl(*command.split())
    assert code == 0
    found = tomllib.loads(out)
    assert (found["partition"], found["gpus"], found["script-only"]) == ("gpu", 2, True)
    assert found["slurm-set"] == ["account=me", "exclusive"]


def test_rare_options_are_fields_of_the_request(etl):
    command = "run -m coop -d spectrum_basic --print-toml --option retries=2 --option fast --option timeout=60"
    code, out, _ = etl(*command.split())
    found = tomllib.loads(out)
    assert (code, found["retries"], found["fast"], found["timeout"]) == (0, 2, True, 60)
    assert "--option 'folds' is unknown. Allowed: " in etl(*command.split(), "--option", "folds=1/4")[2]
    assert "--option retries '-1': " in etl(*command.split()[:5], "--option", "retries=-1")[2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("partitoin=gpu", r"--resource 'partitoin' is unknown\. Did you mean 'partition'\? Allowed: address, .*sbatch"),
        ("partition", "write --resource partition=VALUE"),
        ("partition=", "write --resource partition=VALUE"),
        ("script-only=yes", "write --resource script-only"),
        ("sbatch.", r"--resource 'sbatch\.' is unknown"),
    ],
)
def test_a_wrong_resource_is_refused(text: str, message: str):
    with pytest.raises(UsageError, match=message):
        parse_keys("--resource", [text])


def test_a_resource_as_an_option_is_answered_with_how_to_give_it(etl):
    run = ["run", "-m", "coop", "-d", "spectrum_basic"]
    assert "Write --resource partition=VALUE instead." in etl(*run, "--partition", "gpu")[2]
    assert "Write --resource script-only instead." in etl(*run, "--script-only")[2]
    assert "Write --resource sbatch.KEY=VALUE instead." in etl(*run, "--slurm-set", "account=me")[2]
    assert "Write --option retries=VALUE instead." in etl(*run, "--retries", "2")[2]
