"""Each kind of failure gets one line with what was looked for, where, and the next step."""

from __future__ import annotations

from typing import Any

from one_case import for_each

from bench.extensions.forks.failures import reason

FILES = ("train.py", "trainers/coop.py", "code/clip/model.py", "configs/eurosat.yaml")
OWN = {"file": "trainers/coop.py", "line": 3, "own": True}
LIBRARY = {"file": "/home/a/lib/python3.11/site-packages/torch/optim/adam.py", "line": 9, "own": False}


def error(kind: str, text: str = "", *frames: dict[str, Any], **more: str) -> dict[str, Any]:
    return {"kind": kind, "text": text, "frames": list(frames), **more}


@for_each(
    ("found", "message"),
    [
        (error("AbsentPackageError", "called: ot.x", OWN, module="ot"), "The module ot, imported in trainers/coop.py, "
         "line 3, is neither in the repository nor in its Python. Install it there, see --set fork.python."),
        (error("ModuleNotFoundError", "No module named 'dassl.data'", module="dassl.data"), "The module dassl.data is "
         "missing. Clone "),
        (error("ModuleNotFoundError", module="trainers.parts"), "is not in the repository, which has other modules of "
         "trainers."),
        (error("ModuleNotFoundError", module="clip.model"), "is not where it was looked for. The repository has "
         "code/clip/model.py."),
        (error("FileNotFoundError", "x", OWN, file="teacher/x.pth"), "It reads teacher/x.pth in trainers/coop.py, line "
         "3, and there is no such file. The repository has none of that name."),
        (error("FileNotFoundError", file="../eurosat.yaml"), "no such file. The repository has configs/eurosat.yaml."),
        (error("FileNotFoundError", 'Model not found at "m"', OWN), "It ended with FileNotFoundError: Model not found"),
        (error("MemoryError", "", OWN), "Its memory ran out in trainers/coop.py, line 3. Use a smaller batch"),
        (error("torch.OutOfMemoryError", "CUDA out of memory. Tried"), "Its memory ran out. Use a smaller batch"),
        (error("TypeError", "no argument 'verbose'", OWN, LIBRARY), "It ended with TypeError: no argument 'verbose' in "
         "trainers/coop.py, line 3, in a call of torch."),
        (error("TypeError", "forward() missing 1", LIBRARY, OWN), "forward() missing 1 in trainers/coop.py, line 3."),
        (error("AssertionError", "", OWN), "It ended with AssertionError in trainers/coop.py, line 3."),
        (error("bdb.BdbQuit", "", OWN), "It ended with bdb.BdbQuit in trainers/coop.py"),
        (error("SystemExit", "2", OWN), "It left with sys.exit(2) in trainers/coop.py, line 3. The last line that it "
         "printed: epoch 1."),
    ],
)  # fmt: skip
def test_the_exception_is_the_reason(found: dict[str, Any], message: str) -> None:
    said = reason({"error": [found]}, 1, "epoch 1\n", FILES)
    assert message in said
    assert "\n" not in said


@for_each(
    ("facts", "code", "message"),
    [
        ({}, -9, "ended by SIGKILL, which the system also sends when memory runs out."),
        ({}, -11, "ended by SIGSEGV."),
        ({}, 1, "ended with exit code 1 before the code could start or end. The last line that it printed: epoch 1."),
        ({"evaluations": [{"images": 7, "classes": 4}]}, 3, "never received all test images in their order, only 7 "
         "images of 4 classes."),
        ({"evaluations": []}, 3, "ended without an error, and Dassl's evaluator received no scores of the test "
         "images."),
    ],
)  # fmt: skip
def test_without_an_exception_nothing_is_guessed(facts: dict[str, Any], code: int, message: str) -> None:
    assert message in reason(facts, code, "epoch 1\n", FILES)
    assert "It printed nothing." in reason(facts, code, "", FILES) or "evaluations" in facts


def test_submodules_that_were_not_fetched_explain_a_missing_module() -> None:
    found = reason({"error": [error("ModuleNotFoundError", module="dassl")]}, 1, "", FILES, ("Dassl.pytorch",))
    assert "git submodule update --init." in found


def test_a_long_error_is_cut() -> None:
    found = reason({"error": [error("ValueError", "x" * 5000)]}, 1, "", FILES)
    assert len(found) < 350
    assert found.endswith("….")


def test_of_two_chained_errors_the_one_that_says_more_is_the_reason() -> None:
    blanket = [error("Exception", "it did not work"), error("KeyError", "'moon'")]
    assert reason({"error": blanket}, 1, "", FILES).startswith("It ended with KeyError:")
    failed_again = [error("KeyError", "'state_dict'"), error("RuntimeError", "not an archive")]
    assert reason({"error": failed_again}, 1, "", FILES).startswith("It ended with KeyError:")
