"""The documentation agrees with the code: generated pages, links, public names, and tutorials that run as printed."""

from __future__ import annotations

import csv
import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from places import ROOT, SHARED
from safetensors.torch import save_file

from bench.cli.app import command_tree
from bench.sweep import offered_selections
from datasets_registry import DrawRule, EvalProtocol
from methods import list_methods, load_backbone, parse_backbone
from tools import generate_docs

DOCS = ROOT / "docs"
PACKAGES = ("bench", "methods", "datasets_registry", "reports")
NOT_RUN = "not run by the tests: "
BLOCK = re.compile(r"(?:<!-- (?P<marker>[^\n]*?) -->\n)?```(?P<language>\w+)\n(?P<code>.*?)```", flags=re.S)


def test_a_missing_or_edited_file_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    same, edited, missing = (tmp_path / name for name in "abc")
    monkeypatch.setattr(generate_docs, "COMMITTED", dict.fromkeys((same, edited, missing), lambda: "text\n"))
    same.write_text("text\n")
    edited.write_text("edited\n")
    assert generate_docs.outdated() == [edited, missing]


def test_the_page_on_the_way_of_a_run_names_its_files_and_what_stands_in_them() -> None:
    lines = (DOCS / "from-run-to-page.md").read_text().splitlines()
    rows = [line.split("|")[2:4] for line in lines if re.match(r"\| \d+ \|", line)]
    assert len(rows) == 14
    for file, names in ((file.strip(" `"), re.findall(r"`([\w.]+)`", names)) for file, names in rows):
        source = (ROOT / file).read_text()
        for name in names:
            first, _, method = name.partition(".")
            assert re.search(rf"^(class |def |{first}: |{first} = )", source, re.MULTILINE), name
            assert re.search(rf"(class|def) {method or first}\b|^{first}\b", source, re.MULTILINE), name
    named = re.findall(r"`((?:bench|reports|methods|datasets_registry)/[\w/]+\.py)`", "\n".join(lines))
    assert [file for file in named if not (ROOT / file).is_file()] == []


def test_the_tables_list_every_method_and_dataset_file() -> None:
    pages = (generate_docs.methods_page, "methods"), (generate_docs.datasets_page, "datasets_registry")
    for page, folder in pages:
        names = {path.stem for path in (ROOT / folder).glob("*.py") if not path.name.startswith("_")}
        assert names <= set(re.findall(r"^\| \[?`(\w+)`", page(), flags=re.M)), folder


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))], ids=lambda path: path.name)
def test_links_lead_somewhere(page: Path) -> None:
    """A reference page is made with the site, so only pages of the site lead to one."""
    links = re.findall(r"\]\((?!http|mailto)([^)#\s]+)", page.read_text(encoding="utf-8"))
    made = {DOCS / "reference" / name for name in generate_docs.REFERENCE_PAGES} if DOCS in page.parents else set()
    targets = {link: (page.parent / link).resolve() for link in links}
    assert [link for link, target in targets.items() if not (target.exists() or target in made)] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_of_a_stub_can_be_imported(package: str) -> None:
    door = importlib.import_module(package)
    for name in dir(door):
        getattr(door, name)


@pytest.mark.slow  # `make docs` builds the site in every check
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    pages = {str(path.relative_to(tmp_path / "site")): path.read_text() for path in tmp_path.rglob("*.html")}
    remote = re.compile(r"<(?:script|link|img)[^>]*(?:src|href)=[\"']https?://")
    assert [name for name, text in pages.items() if remote.search(text)] == []
    assert "notebook-output" in pages["notebooks/compare-methods.html"]
    assert [name for name, text in pages.items() if re.search(r'role="dialog"(?! aria-label)', text)] == []
    assert all(f"reference/{Path(name).stem}.html" in pages for name in generate_docs.REFERENCE_PAGES)
    for package in PACKAGES:
        text = pages[f"reference/api/{package}.html"]
        listed = set(re.findall(rf'id="{package}\.(\w+)"', text))
        assert len(listed) >= len(dir(importlib.import_module(package))) // 2, package


def test_a_dead_link_fails_the_command_of_make_docs(tmp_path: Path) -> None:
    (found,) = re.findall(r"/(mkdocs build .*?) --site-dir", (ROOT / "Makefile").read_text(encoding="utf-8"))
    (tmp_path / "mkdocs.yml").write_text("site_name: small\nnav: [{Home: index.md}]\n")
    (tmp_path / "docs").mkdir()
    for page, code in (("[a page](index.md)", 0), ("[no page](none.md)", 1)):
        (tmp_path / "docs" / "index.md").write_text(page)
        command = [sys.executable, "-m", *found.split()]
        built = subprocess.run(
            command, cwd=tmp_path, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, check=False
        )
        assert built.returncode == code


def script(page: Path) -> str:
    """The code of a page as one shell script. Blocks marked as not run, and those of other languages, are left out."""
    lines = ["set -euo pipefail"]
    for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
        marker = block["marker"] or ""
        if marker.startswith(NOT_RUN):
            continue
        if marker.startswith("file: "):
            lines.append(f"cat > {marker.removeprefix('file: ')} <<'END_OF_FILE'\n{block['code']}END_OF_FILE")
        elif block["language"] == "python":
            lines.append(f"python - <<'END_OF_FILE'\n{block['code']}END_OF_FILE")
        elif block["language"] == "bash":
            lines.append(block["code"])
    return "\n".join(lines)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One feature cache for all tutorials, which use the same synthetic datasets."""
    return tmp_path_factory.mktemp("cache")


@pytest.mark.slow  # tests of each command run the same lines
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", sorted(path.stem for path in (DOCS / "tutorials").glob("*.md")))
def test_a_tutorial_runs_as_printed_in_an_empty_folder(name: str, cache: Path, tmp_path: Path) -> None:
    """Blocks that download data or weights, or take longer than a minute, carry a marker and are not run."""
    folder, programs = tmp_path / "work", tmp_path / "bin"
    folder.mkdir()
    programs.mkdir()
    run_shell(script(DOCS / "tutorials" / f"{name}.md"), folder, programs, cache)
    assert (folder / "runs" / "results.duckdb").is_file()


def run_shell(code: str, folder: Path, programs: Path, cache: Path) -> str:
    """Run a shell script in a folder with our `etl-bench` and `python`; gives what it printed."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("ETL_BENCH_", "XDG_"))}
    environment |= {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "ETL_BENCH_CACHE": str(cache),
        "HOME": str(programs.parent),
    }
    for program, command in (("python", sys.executable), ("etl-bench", f"{sys.executable} -m bench")):
        (programs / program).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        (programs / program).chmod(0o755)
    ran = subprocess.run(["bash", "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-2000:]
    return ran.stdout + ran.stderr


@pytest.mark.slow  # tests of each command run the same lines
@pytest.mark.timeout(1800)
def test_the_readme_leads_from_a_folder_of_photographs_to_predictions(cache: Path, tmp_path: Path) -> None:
    """The three commands in an empty folder, with a local file of weights and fewer methods and epochs, for time."""
    photographs = SHARED / "data" / "real" / "eurosat" / "2750"
    if not photographs.is_dir():
        pytest.skip(f"{photographs} does not exist")
    folder, programs = tmp_path / "work", tmp_path / "bin"
    programs.mkdir()
    for kind in sorted(photographs.iterdir())[:4]:
        *labelled, new = sorted(kind.iterdir())
        (folder / "birds" / kind.name).mkdir(parents=True)
        (folder / "new_images").mkdir(exist_ok=True)
        for image in labelled:
            shutil.copy(image, folder / "birds" / kind.name)
        shutil.copy(new, folder / "new_images")
    save_file(load_backbone(parse_backbone("ViT-tiny.random")).model.state_dict(), folder / "weights.safetensors")
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Use your own images")[2]
    (commands,) = [found["code"] for found in BLOCK.finditer(section.partition("\n## ")[0])]
    assert commands.count("etl-bench ") == len(commands.splitlines()) == 3
    short = "ViT-tiny=weights.safetensors -m zero_shot,gda,tip_adapter,clip_adapter --recipe demo"
    code = commands.replace("ViT-B-16.openai", short)
    printed = run_shell(f"set -euo pipefail\n{code}", folder, programs, cache)
    assert re.search(r"right on [\d.]+ % of \d+ held-out labelled", printed)
    with (folder / "predictions.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    pictures = sorted(path.name for path in (folder / "new_images").iterdir())
    assert [Path(row["image"]).name for row in rows] == pictures
    assert all(0 < float(row["probability"]) <= 1 for row in rows)


def test_the_page_on_protocols_names_every_protocol_draw_and_rule_of_selection() -> None:
    page = (DOCS / "protocols.md").read_text(encoding="utf-8")
    rules = {rule for info in list_methods() for rule in offered_selections(info)}
    assert [name for name in (*EvalProtocol, *get_args(DrawRule), *sorted(rules)) if f"| `{name}" not in page] == []


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))], ids=lambda path: path.name
)
def test_commands_in_blocks_exist_with_their_options(page: Path) -> None:
    """Also those of guides, which no test runs as printed."""
    blocks = [found for found in BLOCK.finditer(page.read_text(encoding="utf-8")) if found["language"] != "python"]
    for line in "\n".join(found["code"].replace("\\\n", " ") for found in blocks).splitlines():
        if (found := re.match(r"(?:\$ |[A-Z_]+=\S+ |\S+/)?etl-bench (.*)", line)) is None:
            continue
        command, words = command_tree(), shlex.split(found[1], comments=True)
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        assert command.name != command_tree().name, line
        options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        assert [word for word in words if word.startswith("-") and word not in options] == [], line


def test_each_claim_of_why_believe_this_has_a_command_that_exists() -> None:
    """Targets of make, files and words of pytest, and commands whose arguments are understood."""
    text = (ROOT / "docs/why-believe-this.md").read_text(encoding="utf-8").partition("## What never ran")[0]
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ") and "`" in line]
    commands = [re.findall("`([^`]+)`", row[1])[0].split() for row in rows]
    assert len(commands) >= 12
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for program, *words in commands:
        if program == "make":
            assert words[0] in targets
        elif program == "python":
            assert (ROOT / words[2]).exists()
        else:
            path = [word for word in words if word.islower() and not word.startswith("-")][:2]
            command = command_tree()
            for word in path:
                command = command.commands[word]
