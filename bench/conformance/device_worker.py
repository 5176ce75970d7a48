"""The process in which methods run on another device: `python -m bench.conformance.device_worker cuda KIND`.

KIND is `real`, `pretended`, or `pretended-without-float64`, which refuses double precision as Apple's MPS does.

Reads one request per line (JSON) from standard input and writes one line with the result. Each trial runs in its own
fork, so that methods do not affect each other and a crash is reported like any other error.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
from typing import IO, Any

from bench.conformance.pretended_device import install


def main() -> None:
    """Serve trials until standard input ends."""
    device, kind = sys.argv[1:]
    pretended = kind != "real"
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)  # output of a method must not mix with the results
        if pretended:
            install(float64=kind == "pretended")
        import torch

        torch.set_num_threads(1)
        if not pretended:
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        from bench.conformance.device_trial import warm_up

        warm_up()
        for line in sys.stdin:
            _serve(torch, json.loads(line), device, pretended, answers)


def _serve(torch: Any, request: dict[str, Any], device: str, pretended: bool, answers: IO[str]) -> None:
    """Run one request in a fork, and report an error if the fork crashes."""
    child = os.fork()
    if child == 0:
        torch.set_num_threads(1)
        if pretended:
            torch.autograd.set_multithreading_enabled(
                False
            )  # so that a backward pass counts for the line that calls it
        answers.write(json.dumps(_outcome(request, device)) + "\n")
        answers.flush()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if status:
        code = os.waitstatus_to_exitcode(status)
        answers.write(json.dumps({"error": f"its process ended with {code} instead of a result"}) + "\n")
        answers.flush()


def _outcome(request: dict[str, Any], device: str) -> dict[str, Any]:
    from bench.conformance.check import describe_error
    from bench.conformance.device_trial import DeviceOutcome, trial
    from methods import Precision

    try:
        method = _method(request)
        config = method.info.config.model_validate(request["config"])
        return vars(trial(method, config, device, Precision(request["precision"])))
    except Exception as error:  # a method may raise anything
        return vars(DeviceOutcome(error=describe_error(error)))


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
