"""Mistyped commands that look plausible: each is refused with its cause, or says how it is read."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("inside")

COOP = "run -m coop -d spectrum_basic --dry-run "

REFUSED = {
    # values that cannot be meant
    COOP + "--shots 4 --set coop.recipe.epochs=1e9": "less than or equal to 100000",
    COOP + "--shots 4 --set coop.recipe.lr=1000000": "less than or equal to 100",
    COOP + "--shots 4 --jobs 500": "at most 256 worker processes",
    COOP + "--set ' coop . n_ctx = 4 '": "has spaces in its name; write --set 'coop.n_ctx=4'",
    "run words.toml --shots 4 --dry-run": "is not TOML: line 1, 'just some words'",
    "run float_seeds.toml --dry-run": "seeds = 3.0 is not a list of whole numbers; write seeds = 3 or",
    "compare apex coop --protocol fewshot": "Did you mean 'few-shot'?",
    "export --protocol nonsense": "--protocol 'nonsense' is unknown. Allowed: few-shot, base-to-new",
    "methods check methods/coop.py": "is a file, and a check needs the name of a registered method",
    "report --data-root /no/such --out s2": "--data-root /no/such does not exist",
    "status --runs nosuch": "There is no folder nosuch",
    # one word in the place of another
    "run -m coop apex -d spectrum_basic": "separated by commas, without spaces, such as -m FIRST,apex",
    "run -m coop -d spectrum_basic spectrum_words": "such as -d FIRST,spectrum_words",
    COOP + "--protocol cross-dataset --targets spectrum_basic": "it is the source, so it cannot be its only target",
    COOP + "-b ViT-B-32=": "ViT-B-32= names no weights file",
    COOP
    + "--set coop.recipe=demo": "--recipe demo chooses a recipe; change one of its values with --set coop.recipe.KEY",
    "run -m spectrum_basic -d spectrum_basic --dry-run": "spectrum_basic is a dataset",
    "datasets fetch coop --data-root .": "coop is a collection",
    "methods try coop": "shows one name at a time. Commands: check",
    "methods check run.py": "`etl-bench methods new NAME` starts one",
    "report --out page.html --site site": "No such option: --site",
    "doctor cache clear --keep 5": "has no unit; write 5M or 5G",
    "datasets add all --images colour": "'all' selects every dataset",
    "papers published --ledger --runs nosuch": "There are no runs in nosuch",
    "papers published --ledger --margin -1": "--margin -1 is no positive number",
    "claims": "It is `etl-bench papers claims`.",
    "doctor clear": "It is `etl-bench doctor cache clear`.",
    "papers published -m zero_shot --protocol few-shot": "Those of method zero_shot have protocol base-to-new, ",
    "papers claims --file float_seeds.toml": "is no file of claims",
    "board build colour": "colour has no submissions",
    "demo --quick --runs colour": "--runs colour is in use: it contains 'sea gull' and no runs",
    "run -m coop -d spectrum_basic --runs colour": "--runs colour is in use",
    "runs export mine.zip --runs nosuch": "There are no runs in nosuch",
    # given twice or empty
    COOP + "--recipe demo --recipe published": "--recipe is given twice",
    "export --format latex --format csv": "--format is given twice",
    "demo --quick --quick --out ''": "--quick is given twice",
    "datasets add d1 --images colour --images gone": "--images is given twice",
    "datasets add d1 --images ''": "--images is empty",
    "datasets add d1 --images colour --title ''": "--title is empty",
    # places that take no such file
    "export --format csv --out board.xlsx": "ends in .xlsx, but the format of this file is .csv",
    "export --out table.tex": "give --format latex",
    "export --format latex --out /proc/x.tex": "--out /proc/x.tex cannot be written",
    "report --out board.pdf": "ends in .pdf, but the format of this file is .html",
    "runs export mine.tar.gz": "ends in .gz, but the format of this file is .zip",
    # images
    "datasets add d1 --images some_absent.csv": "does not exist: colour/sea_gull/99.png",
    "datasets add d1 --images quoted.csv": "the quotation mark in line 2 is not closed",
    "datasets add d1 --images two_labels.csv": "has 1 class, 'a|b'; a benchmark needs at least 2",
    "datasets add d1 --images colour --split given": "has no folder train, val or test, so it gives no split",
    "datasets add d1 --images colour --name 'sea_gull=sea gull'": "the class 'sea gull' has the name 'sea gull'",
}

EXPLAINED = {
    COOP + "--shots 4 --shots 8": "note: --shots 4 --shots 8 is read as --shots 4,8\n6 runs",
    COOP + "--shots 4 --seeds 1 --seeds 3": "note: --seeds 1 --seeds 3 is read as --seeds 1,3\n2 runs",
}


@pytest.mark.parametrize(("command", "cause"), REFUSED.items(), ids=list(REFUSED))
def test_a_refusal_is_one_line_that_names_the_cause(command: str, cause: str, etl: Any) -> None:
    code, _, err = etl(*shlex.split(command))
    assert code == 2
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert cause in err


@pytest.mark.parametrize(("command", "note"), EXPLAINED.items(), ids=list(EXPLAINED))
def test_a_command_that_can_be_carried_out_says_how_it_is_read(command: str, note: str, etl: Any) -> None:
    code, _, err = etl(*shlex.split(command))
    assert code == 0
    assert note in err
