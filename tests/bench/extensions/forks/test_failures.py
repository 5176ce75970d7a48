"""Each kind of failure gets one line with the next step."""

from __future__ import annotations

from one_case import for_each

from bench.extensions.forks.failures import reason

FILES = ("train.py", "trainers/coop.py", "code/clip/model.py")
LIBRARY = '  File "/home/a/lib/python3.11/site-packages/torch/optim/adam.py", line 3, in __init__\n'
OWN = '  File "/home/a/fork/trainers/coop.py", line 3, in forward\n'


@for_each(
    ("log", "code", "message"),
    [
        ("ImportError: the package ot is absent and is called: ot.sinkhorn", 1, "It needs the package ot. Install"),
        ("ImportError: the package dassl is absent and is called: dassl.x", 1, "The module dassl is missing."),
        ("ModuleNotFoundError: No module named 'dassl.data'", 1, "The module dassl.data is missing. Clone "),
        ("ModuleNotFoundError: No module named 'einops'", 1, "It needs the package einops. Install it"),
        ("ModuleNotFoundError: No module named 'trainers.parts'", 1, "The repository is incomplete: its own module "
         "trainers.parts was not committed."),
        ("ModuleNotFoundError: No module named 'clip.model'", 1, "The repository is incomplete: its own module clip"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'teacher/x.pth'", 1, "It reads the "
         "file teacher/x.pth, which is absent: a teacher, class texts"),
        ('FileNotFoundError: Model not found at "out/model.pth.tar-5"', 1, "A file is absent: "),
        ("ValueError: the command asks for the classes 'half', and the job has all", 1, "ValueError: the command asks"),
        ("", -9, "Its memory ran out. Use a smaller batch"),
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate", 1, "Its memory ran out."),
        (LIBRARY + "TypeError: __init__() got an unexpected keyword argument 'verbose'", 1, "A call of a library "
         "fails, perhaps because its version is not the author's: TypeError: __init__()"),
        (OWN + "TypeError: forward() missing 1 argument", 1, "It ended with TypeError: forward() missing 1 argument."),
        (LIBRARY + OWN + "AttributeError: x", 1, "It ended with AttributeError: x."),
        ("AssertionError", 1, "It ended with AssertionError."),
        ("assert x\nsubprocess.CalledProcessError: Command 'ls' failed", 1, "It ended with subprocess.Called"),
        ("all is well", 3, "It ended with exit code 3 and without an evaluation of all test images."),
        ("", 1, "It ended with exit code 1 and without"),
        ("usage: train.py [-h]\ntrain.py: error: unrecognized arguments: --gpu 0", 3, "It ended with train.py: error: "
         "unrecognized arguments: --gpu 0."),
    ],
)  # fmt: skip
def test_the_last_error_decides(log: str, code: int, message: str) -> None:
    found = reason(f"epoch 1\n{log}\n", code, FILES)
    assert message in found
    assert "\n" not in found


def test_submodules_that_were_not_fetched_explain_a_missing_module() -> None:
    found = reason("ModuleNotFoundError: No module named 'dassl'", 1, FILES, ("Dassl.pytorch",))
    assert "git submodule update --init." in found


def test_a_long_error_is_cut() -> None:
    found = reason("ValueError: " + "x" * 5000, 1)
    assert len(found) < 350
    assert found.endswith("….")


def test_of_two_chained_errors_the_one_that_says_more_is_the_reason() -> None:
    between = "During handling of the above exception, another exception occurred:"
    blanket = f"KeyError: 'moon'\n\n{between}\n\nException: it did not work\n"
    assert reason(blanket, 1).startswith("It ended with KeyError:")
    failed_again = f"RuntimeError: not a TorchScript archive\n\n{between}\n\nKeyError: 'state_dict'\n"
    assert reason(failed_again, 1).startswith("It ended with KeyError:")
