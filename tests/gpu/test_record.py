"""`make gpu` runs through in its tiny mode, and the page shows what was recorded, or that nothing was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from gpu_page import NOT_MEASURED, PAGE, page_with, recorded, section
from places import ROOT
from pretended_script import run_script

SCRIPT = ROOT / "tests" / "gpu" / "record.py"


def test_the_page_has_the_table_of_the_recorded_file() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == page_with(page, recorded())
    assert (NOT_MEASURED in page) == (recorded() is None)


@pytest.mark.slow  # `test_a_part_that_fails_is_named_and_the_others_go_on` runs the script, too
def test_the_script_runs_through_and_its_file_makes_a_section(tmp_path: Path) -> None:
    out = tmp_path / "gpu.json"
    done = run_script(SCRIPT, "--device", "cpu", "--tiny", "--seconds", "0.01", "--out", str(out), pretended=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())
    assert list(found) == ["environment", "images", "parity", "decode", "files", "steps", "sweep"]
    assert all(row["images_per_second"] > 0 for row in found["images"])
    assert found["parity"]["fp32"] == 0
    assert found["parity"]["normalised to the same bits"] is True
    assert [row.get("error") for row in found["steps"]] == [None] * 4
    assert all(row["same_bits"] == row["same_bits_deterministic"] == 5 for row in found["steps"])
    assert [row["method"] for row in found["sweep"][1:]] != []
    text = section(found)
    assert "| coop, 50 classes, batch 32 | fp32 |" in text
    assert "| features from JPEG files," in text
    assert text.count("\n\n") == 7 - 1
    assert "Not measured" not in page_with(PAGE.read_text(encoding="utf-8"), found)


def test_numbers_of_a_cpu_are_not_written_as_those_of_a_gpu() -> None:
    done = run_script(SCRIPT, "--device", "cpu", pretended=False)
    assert done.returncode == 2
    assert "numbers of a GPU" in " ".join(done.stderr.split())


@pytest.mark.slow  # `test_the_script_runs_through_and_its_file_makes_a_section` runs the same script on the CPU
def test_the_parts_of_a_gpu_run_on_a_pretended_one(needs_compiler: None, tmp_path: Path) -> None:
    out = tmp_path / "gpu.json"
    done = run_script(SCRIPT, "--device", "cuda", "--tiny", "--seconds", "0.01", "--out", str(out))
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())
    assert found["environment"]["gpu"] == "pretended GPU 0"
    assert {row["precision"] for row in found["images"]} == {"fp32", "tf32", "bf16", "fp16"}
    assert found["parity"]["TF32"] < 1e-6
    assert [row.get("error") for row in found["steps"]] == [None] * 4
    assert "error" in found["sweep"][0], "no GPU there"
    assert "| coop, 50 classes, batch 32 | bf16 |" in section(found)


def test_a_part_that_fails_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    script, out = tmp_path / "record.py", tmp_path / "gpu.json"
    broken = "import gpu_parts\ndef fail(machine):\n    yield [1]\n    raise ZeroDivisionError('by | zero')\n"
    broken += "gpu_parts.PARTS = {'environment': gpu_parts.environment, 'images': fail, 'decode': gpu_parts.decode}\n"
    script.write_text(f"import sys\nsys.path.insert(0, {str(SCRIPT.parent)!r})\n{broken}import runpy\n")
    script.write_text(script.read_text() + f"runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n")
    done = run_script(script, "--device", "cpu", "--tiny", "--seconds", "0.01", "--out", str(out), pretended=False)
    assert done.returncode == 1
    assert "{'images': 'ZeroDivisionError: by | zero'}" in done.stderr
    found = json.loads(out.read_text())
    assert found["images"] == [1], "measured is kept"
    assert "decode" in found
    assert "| images | ZeroDivisionError: by / zero |" in section(found | {"images": []})


def test_an_error_of_one_step_stands_in_its_row() -> None:
    found = {
        "environment": {"device": "cuda:0", "gpu": "GPU", "torch": "2", "date": "2026-01-01"},
        "steps": [{"method": "coop", "classes": 50, "batch": 32, "precision": "fp32", "error": "RuntimeError: a | b"}],
    }
    assert "| coop, 50 classes, batch 32 | fp32 | RuntimeError: a / b |" in section(found)
