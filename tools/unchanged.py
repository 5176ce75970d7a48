"""Check that a change of the code changes nothing that users see.

    python -m tools.unchanged record FOLDER           # write down what every command says; makes the runs once
    python -m tools.unchanged compare FOLDER          # say it again, name each difference; exit code 1 if there is one
    python -m tools.unchanged compare FOLDER --quick  # without repeating runs

Written down are the help of every command, all listings as JSON, the run ids of every method and protocol, the
leaderboards, exports and the data of the report, and whether stored runs are repeated bit for bit. FOLDER/runs has the
runs and FOLDER/expected one file for each kind. A command that is gone is one line.
Checkout, version and times are masked.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import itertools
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BASIC = "spectrum_basic:test=5"
SMALL = f"{BASIC},spectrum_blur:test=5"
SWEEPS = (
    f"-m zero_shot,clip_adapter,tip_adapter_f -d {SMALL} --protocol few-shot --shots 2,4 --seeds 2",
    f"-m coop,promptsrc -d {SMALL} --shots 2 --seeds 2 --set coop.n_ctx=2,4 --keep-models best",
    f"-m zero_shot,mta -d {BASIC} --protocol test-time --seeds 1,",
    f"-m zero_shot,coop -d {BASIC} --protocol cross-dataset --targets spectrum_words:test=5 --seeds 1,",
    f"-m zero_shot,lp_plus_plus -d {SMALL} --protocol few-shot --shots 4 --seeds 1, --class-text ensemble:select7",
    f"-m linear_probe,tip_adapter -d {SMALL} --protocol few-shot --shots 4 --seeds 1, --support imbalanced:2",
    f"-m ss_text_u -d {SMALL} --protocol few-shot --shots 4 --seeds 1, --unlabelled train",
)
IDS = (
    "--protocol base-to-new",
    "--protocol base-to-new --set coop.n_ctx=4,8 --draw nested",
    "--protocol few-shot --shots 1,16,all --unlabelled train",
    "--protocol few-shot --recipe demo --class-text ensemble:select7 --support noisy:0.25",
    "--protocol cross-dataset --targets spectrum_blur",
    "--protocol domain-generalization --targets spectrum_clutter",
    "--protocol test-time",
)
PAIRS = (
    ("base-to-new", "coop", "vpt"),
    ("few-shot", "clip_adapter", "tip_adapter_f"),
    ("few-shot", "linear_probe", "tip_adapter"),
)
TEXT_FORMATS = ("csv", "markdown", "latex")
MOST_VERIFIED, MOST_SHOWN, WIDTH = 50, 40, 200
MASKS = (
    (re.escape(str(ROOT)), "CHECKOUT"),
    (r'"last_result_s": [\d.]+', '"last_result_s": TIME'),
    (r"\betl-bench \d[\w.+]*", "etl-bench VERSION"),
)


def said(*words: str) -> str:
    """What a command prints on standard output, with its exit code or error, after a line that names it."""
    from bench.cli.app import command_tree

    stream = io.StringIO()
    with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(io.StringIO()):
        try:
            code = command_tree()(list(words), prog_name="etl-bench", standalone_mode=False)
        except Exception as error:
            code = f"{type(error).__name__}: {' '.join(str(error).split())}"
    return f"$ etl-bench {' '.join(words)}\n{stream.getvalue()}exit code: {code or 0}\n"


def all_of(commands: Iterator[tuple[str, ...]] | list[str]) -> str:
    """What several commands say."""
    return "\n".join(said(*(command.split() if isinstance(command, str) else command)) for command in commands)


def helps() -> Iterator[tuple[str, ...]]:
    """The words that print the help of each command and group."""
    from bench.cli.app import command_tree

    def below(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        yield (*words, "--help")
        for name in getattr(command, "list_commands", lambda _: [])(None):
            yield from below(command.get_command(None, name), (*words, name))

    return below(command_tree(), ())


def names(*listing: str) -> list[str]:
    """The names in a listing of JSON rows; an example of each family of backbones."""
    text = said(*listing, "--json").partition("\n")[2].rpartition("exit code")[0]
    return [row.get("name") or row["example"] for row in json.loads(text)]


def shown(group: str) -> str:
    """A listing of a group, and each of its members."""
    return all_of([f"{group} list --json", *(f"{group} show {name} --json" for name in names(group, "list"))])


def stored() -> list[str]:
    """The ids of the stored runs."""
    return sorted(path.stem for path in Path("runs", "shards").glob("*/*.json"))


def exports() -> str:
    """The tables in every format."""
    return all_of([f"export --format {one}{layout}" for one in TEXT_FORMATS for layout in ("", " --by-dataset")])


def page() -> str:
    """The data blocks of the report, one value a line."""
    text = said("report", "--out", "page.html")
    blocks = re.findall(r'id="([\w-]+)">(\{.*?\})</script>', Path("page.html").read_text(encoding="utf-8"), re.DOTALL)
    return text + "".join(f"{name}\n{json.dumps(json.loads(block), indent=1)}\n" for name, block in blocks)


def boards() -> str:
    """Leaderboards, comparisons, claims and papers."""
    commands = ["leaderboard", "leaderboard --json", "leaderboard --json --h h_of_means", "status --json"]
    for (protocol, a, b), extra in itertools.product(PAIRS, ("", " --json", " --json --images --verbose")):
        commands.append(f"compare {a} {b} --protocol {protocol}{extra}")
    commands += ["papers claims --json", "papers published --ledger --json", "papers published --json"]
    return all_of([*commands, "papers reproduce --json", "papers reproduce apex --on synthetic --runs new --json"])


def run_pages() -> str:
    """Each stored run."""
    ids = stored()
    texts = [f"runs show {run}{form}" for run in ids for form in ("", " --json")]
    return all_of([*texts, "models --json"]) + said("runs", "sql", "select * from runs order by run_id", "--json")


KINDS: dict[str, Callable[[], str]] = {
    "help": lambda: all_of(helps()),
    "methods": lambda: shown("methods"),
    "datasets": lambda: shown("datasets"),
    "backbones": lambda: all_of(["backbones --json", *(f"backbones {one} --json" for one in names("backbones"))]),
    "run_ids": lambda: all_of([f"run -m all -d spectrum_basic {axes} --runs new --dry-run --json" for axes in IDS]),
    "runs": run_pages,
    "boards": boards,
    "exports": exports,
    "page": page,
    "golden": lambda: hashlib.sha256((ROOT / "tests/fixtures/golden_predictions.json").read_bytes()).hexdigest(),
    "verify": lambda: all_of([f"runs verify {run}" for run in stored()[:MOST_VERIFIED]]),
}


def write(folder: Path, out: Path, *, quick: bool) -> None:
    """Write a file for each kind, from a copy of the stored runs without their database."""
    with tempfile.TemporaryDirectory() as place, contextlib.chdir(place):
        shutil.copytree(folder / "runs", "runs", ignore=shutil.ignore_patterns("results.duckdb*", "*.lock"))
        out.mkdir(parents=True, exist_ok=True)
        for kind, text_of in KINDS.items():
            if not (quick and kind == "verify"):
                text = text_of()
                for pattern, mask in (*MASKS, (re.escape(place), "PLACE")):
                    text = re.sub(pattern, mask, text)
                (out / f"{kind}.txt").write_text(text, encoding="utf-8")


def record(folder: Path) -> None:
    """Make the runs if the folder has none, and write down what they give."""
    with contextlib.chdir(folder):
        if not Path("runs").exists():
            commands = ["demo --quick --runs runs --out site --jobs 0"]
            commands += [f"run {sweep} --recipe demo --device cpu --jobs 0 --runs runs --log none" for sweep in SWEEPS]
            sys.stdout.write(all_of(commands))
    write(folder, folder / "expected", quick=False)


def blocks(path: Path) -> dict[str, list[str]]:
    """The lines of a file by the line of the command that printed them."""
    found: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if not found or line.startswith("$ etl-bench"):
            lines = found.setdefault(line, [])
        lines.append(line)
    return found


def differences(kind: str, expected: Path, now: Path) -> list[str]:
    """The first differing line of each command, or that it is gone or new."""
    before, after = blocks(expected), blocks(now)
    found = [f"{kind}: gone: {command}" for command in before.keys() - after.keys()]
    found += [f"{kind}: new: {command}" for command in after.keys() - before.keys()]
    for command in before.keys() & after.keys():
        pairs = enumerate(itertools.zip_longest(before[command], after[command], fillvalue="(nothing)"), 1)
        unequal = next(((number, *pair) for number, pair in pairs if pair[0] != pair[1]), None)
        if unequal:
            number, was, is_now = unequal
            found.append(f"{kind}: {command}, line {number}\n  was {was[:WIDTH]}\n  now {is_now[:WIDTH]}")
    return sorted(found)


def main() -> None:
    """Record or compare."""
    parser = argparse.ArgumentParser(prog="python -m tools.unchanged", description="Check that nothing changed.")
    parser.add_argument("command", choices=("record", "compare"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--quick", action="store_true", help="repeat no runs")
    given = parser.parse_args()
    folder = given.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    os.environ |= {"COLUMNS": "120", "NO_COLOR": "1", "ETL_BENCH_CACHE": str(folder / "cache")}
    os.environ.pop("ETL_BENCH_DATA", None)
    if given.command == "record":
        return record(folder)
    write(folder, now := Path(tempfile.mkdtemp()), quick=given.quick)
    files = [(path.stem, folder / "expected" / path.name, path) for path in sorted(now.iterdir())]
    found = [line for pair in files for line in differences(*pair)]
    counted = f"{len(found)} commands differ: diff -r {folder / 'expected'} {now}" if found else "Nothing changed."
    sys.stdout.write("\n".join([*found[:MOST_SHOWN], counted]) + "\n")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
