"""The process in which methods run on a pretended GPU: `python -m pretended_device.worker [--without-float64]`.

Reads one request per line (JSON) from standard input and writes one line with the result. Each trial runs in its own
fork, so that methods do not affect each other and a crash is reported like any other error.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import traceback
from pathlib import Path
from typing import IO, Any

from pretended_device.installation import install


def main() -> None:
    """Serve trials until standard input ends."""
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)  # output of a method must not mix with the results
        install(float64="--without-float64" not in sys.argv)
        import torch

        torch.set_num_threads(1)
        from pretended_device.trial import warm_up

        warm_up()
        for line in sys.stdin:
            _serve(torch, json.loads(line), answers)


def _serve(torch: Any, request: dict[str, Any], answers: IO[str]) -> None:
    """Run one request in a fork, and report an error if the fork crashes."""
    child = os.fork()
    if child == 0:
        torch.set_num_threads(1)
        torch.autograd.set_multithreading_enabled(False)  # so that a backward pass counts for the line that calls it
        answers.write(json.dumps(_outcome(request)) + "\n")
        answers.flush()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if status:
        code = os.waitstatus_to_exitcode(status)
        answers.write(json.dumps({"error": f"its process ended with {code} instead of a result"}) + "\n")
        answers.flush()


def _outcome(request: dict[str, Any]) -> dict[str, Any]:
    from methods import Precision
    from pretended_device.trial import DeviceOutcome, trial

    try:
        method = _method(request)
        config = method.info.config.model_validate(request["config"])
        return vars(trial(method, config, Precision(request["precision"])))
    except Exception as error:  # a method may raise anything
        return vars(DeviceOutcome(error=_described(error)))


def _described(error: Exception) -> str:
    """The error with the innermost line outside the harness, torch and this folder."""
    from bench.extensions.conformance.subject import author_place

    frames = [(frame.filename, frame.lineno or 0) for frame in traceback.extract_tb(error.__traceback__)]
    outside = [frame for frame in frames if not frame[0].startswith(str(Path(__file__).parent))]
    return f"{type(error).__name__}: {' '.join(str(error).split())}{author_place(outside, '')}"


def _method(request: dict[str, Any]) -> Any:
    """The method class: a registered one by its name, another one by its module, or the module's file."""
    if name := request.get("name"):
        from methods import get_method

        return get_method(name)
    module_name, file = request["module"], request["file"]
    try:
        module = importlib.import_module(module_name)
    except ImportError:
        spec = importlib.util.spec_from_file_location(module_name, file)
        if spec is None or spec.loader is None:
            raise
        module = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = module
        spec.loader.exec_module(module)
    found: Any = module
    for part in request["class"].split("."):
        found = getattr(found, part)
    return found


if __name__ == "__main__":
    main()
