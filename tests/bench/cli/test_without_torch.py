"""Commands that compute nothing, and wrong ones, import neither torch nor open_clip.

They run in a process of their own, in which executing either package is an error. Wrong commands, as people type them,
get one clear line and exit code 2; nothing is created or changed.
"""

from __future__ import annotations

from pathlib import Path

from command_answers import answers, complaint
from wrong_commands import CHECKED_BY_CODE, WRONG

DRY = "run --dry-run --runs new "
LISTING = [
    "--help",
    "--version",
    "methods",
    "methods --json",
    "methods coop",
    "methods show linear_probe --json",
    "datasets",
    "datasets spectrum_basic",
    "backbones",
    "backbones --json",
    "backbones ViT-B-16-SigLIP2",
    "status",
    "status --runs empty",
    "models",
    "models --json",
    "doctor cache list",
    "doctor docs",
    "papers published --list protocol",
    "papers list",
    "papers reproduce apex",
    "papers reproduce apex --on synthetic --runs new --json",
    "run --help",
    "run -m coop -d spectrum_basic --print-toml",
    DRY + "-m coop -d spectrum_basic",
    DRY + "-m all -d 'spectrum_*' --json",
    DRY + "-m apex_on:maple,wise_ft_on:coop,dept_on:tcp -d spectrum_basic",
    DRY + "-m coop,vpt -d spectrum_basic -b ViT-B-16.openai,ViT-L-14.openai --protocol few-shot --shots 1,2",
    DRY + "-m coop -d spectrum_basic --set '*.recipe.epochs=3' --selection validation",
    DRY + "-m clip_adapter -d spectrum_basic --recipe demo --class-text ensemble:select7",
    DRY + "-m coop -d spectrum_basic --protocol cross-dataset --targets spectrum_blur",
    "runs list",
    "runs show ok",
    "leaderboard",
    "runs sql 'select count(*) from runs'",
]


def test_a_listing_or_a_plan_imports_no_torch(tmp_path: Path) -> None:
    found = answers(LISTING, tmp_path)
    assert {command: answer for command, answer in found.items() if answer[0] != 0} == {}


CATALOGUE = [
    "--help",
    "methods",
    "methods coop",
    "datasets",
    "datasets spectrum_basic",
    "backbones",
    "papers list",
]


def test_the_catalogue_is_listed_without_the_packages_of_statistics(tmp_path: Path) -> None:
    """They would take longer to import than the listing takes."""
    found = answers(
        [*CATALOGUE, "papers reproduce apex --runs new"], tmp_path, "torch,open_clip,scipy,pandas,duckdb,sklearn"
    )
    assert {command: answer for command, answer in found.items() if answer[0] != 0} == {}


def test_a_wrong_command_gets_one_line_creates_nothing_and_imports_no_torch(tmp_path: Path) -> None:
    found = {command: complaint(*answer) for command, answer in answers(WRONG, tmp_path).items()}
    assert {command: what for command, what in found.items() if what} == {}


def test_a_value_that_only_code_can_check_gets_one_line_too(tmp_path: Path) -> None:
    found = {one: complaint(*answer) for one, answer in answers(CHECKED_BY_CODE, tmp_path, "").items()}
    assert {command: what for command, what in found.items() if what} == {}
