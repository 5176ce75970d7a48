"""Methods and backbones: lists, cards, checks, and the files of a new method."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from bench.api.options import Arg, Cache, Opt
from bench.errors import UsageError
from bench.sweep import DEMO_BACKBONE, cache_folder, parse_choice

if TYPE_CHECKING:
    import pandas as pd

    from bench.conformance import Scaffold
    from methods import MethodFacts, MethodInfo

TRIAL = "trial"
"""Name of the row of the short trial."""


def method_rows() -> list[dict[str, object]]:
    """One row per method."""
    from bench.results import known_methods

    return [_summary(info) for info in known_methods().infos()]


def method_facts(
    name: Annotated[str, Arg("A method, of this package or of another one.")],
    backbone: Annotated[
        str, Opt("Backbone for the parameter count; its weights are not needed.", "-b")
    ] = DEMO_BACKBONE,
    *,
    classes: Annotated[int, Opt("Number of classes for the parameter count.", min=2)] = 10,
    shots: Annotated[int, Opt("Images per class for the parameter count.", min=1)] = 16,
) -> dict[str, object]:
    """The card of a method: what it trains, its settings for `--set`, sources, parity and citation."""
    from bench.api.method_cards import listed, measured, method_card
    from bench.results import known_methods
    from methods import parse_backbone

    facts, spec = known_methods().get(name), parse_backbone(backbone)
    learned = listed(facts, spec, n_classes=classes, shots=shots)
    if learned is None:
        from methods import get_method  # imports torch, to build the method and see what it learns

        learned = measured(get_method(name), spec, n_classes=classes, shots=shots)
    return _summary(facts) | method_card(facts, spec, learned, n_classes=classes, shots=shots)


def _summary(info: MethodFacts) -> dict[str, object]:
    return {
        "name": info.name,
        "title": info.title,
        "family": str(info.family),
        "trained": bool(info.recipes),
        "new_classes": info.open_vocabulary,
        "uses": ", ".join(map(str, info.extras)) or "labelled images only",
        "summary": info.summary,
    }


def new_method(
    name: Annotated[str, Arg("Name of the method: lower-case letters, digits and underscores.")],
    family: Annotated[
        str, Opt("What it learns: 'text prompt', 'cache', 'classifier', ...; see `methods`.")
    ] = "feature adapter",
    folder: Path | None = None,
) -> Scaffold:
    """Start a method: in a checkout its file, test and changelog line, elsewhere a separate package.

    Raises UsageError for an unknown family, and RegistrationError for a malformed or taken name.
    """
    from bench.conformance import scaffold
    from methods import Family

    return scaffold(name, parse_choice(Family, family, "--family"), folder or Path.cwd())


def check_method(name: str) -> pd.DataFrame:
    """Test what every method has to guarantee, on a tiny backbone; `etl-bench methods check NAME --no-trial`.

    Args:
        name: a registered method. In a notebook, importing the module that defines it registers it.

    Returns:
        One row per check: `check`, `outcome`, `promise`, `message`, and `remedy` where it failed.

    Raises UnknownNameError if there is no such method.
    """
    import pandas as pd

    return pd.DataFrame(list(method_checks(name, trial=False)))


def method_checks(
    name: Annotated[str, Arg("A registered method, of this package or of another one.")],
    *,
    trial: Annotated[
        bool,
        Opt(
            "Also train it on three synthetic datasets and compare it with zero-shot; takes 2 minutes.",
            "--trial/--no-trial",
        ),
    ] = True,
    cache: Cache = None,
) -> Iterator[dict[str, object]]:
    """The rows of `check_method`, one after the other, and at the end that of a short trial on synthetic datasets.

    There is no trial after a failed check without which it makes no sense, nor for a method that needs a teacher.
    Raises UnknownNameError, or UsageError for a file, before torch is imported.
    """
    from bench.results import known_methods

    if name.endswith(".py") or "/" in name:
        raise UsageError(
            f"{name!r} is a file, and a check needs the name of a registered method; write `etl-bench methods check "
            f"{Path(name).stem}`."
        )
    known_methods().get(name)
    return _checks(name, trial=trial, cache=cache)


def _checks(name: str, *, trial: bool, cache: Path | None) -> Iterator[dict[str, object]]:
    from bench.conformance import Outcome, Subject, run_checks
    from methods import get_method

    method, runs = get_method(name), True
    for result in run_checks(Subject(method)):
        runs = runs and not (result.outcome is Outcome.FAILED and result.check.essential)
        yield dict(result.row())
    if runs and trial and not method.info.needs_teacher:
        yield _trial(method.info, cache_folder(cache))


def _trial(info: MethodInfo, cache_dir: Path) -> dict[str, object]:
    """The trial as one row with its numbers."""
    from bench.conformance import LIMIT_SECONDS, TrialRow, TrialTimeoutError, trial, verdict
    from bench.context import RunContext
    from bench.sweep import exported_threads

    rows: list[TrialRow] = []
    try:
        rows += trial(info, RunContext(cache_dir=cache_dir, threads=exported_threads() or 1))
        wrong = verdict(rows)
    except TrialTimeoutError as error:
        wrong = str(error)
    except Exception as error:  # a third-party method may raise anything
        wrong = f"{type(error).__name__}: {' '.join(str(error).split())}"
    numbers = "; ".join(
        f"{row.dataset} {row.classes} {100 * row.accuracy:.1f} (zero-shot {100 * row.zero_shot:.1f})" for row in rows
    )
    command = f"`etl-bench run -m {info.name},zero_shot -d spectrum_basic --recipe demo`"
    return {
        "check": TRIAL,
        "outcome": "FAIL" if wrong else "pass",
        "promise": f"It trains on three synthetic datasets within {LIMIT_SECONDS:.0f} seconds, beside zero-shot.",
        "message": "; ".join(part for part in (wrong, numbers) if part),
        "remedy": f"Reproduce it with {command}." if wrong else "",
        "rows": [vars(row) for row in rows],
    }


def backbone_rows() -> list[dict[str, Any]]:
    """One row per family of backbones: an example, the architectures, and the methods that run and that do not."""
    from bench.sweep import backbone_groups

    return [
        {
            "family": group.family,
            "example": group.example,
            "architectures": group.architectures,
            "methods": group.runs,
            "left_out": group.left_out,
        }
        for group in backbone_groups()
    ]


def backbone_facts(
    name: Annotated[str, Arg("Show one: architecture, arch.tag, ARCH=FILE, hf-hub:ORG/NAME or local-dir:FOLDER.")],
) -> dict[str, Any]:
    """The facts of one backbone: its towers, its weights, and which methods run; raises BenchError if unknown."""
    from bench.sweep import backbone_card

    return backbone_card(name)


def unknown_option_advice(option: str) -> str:
    """How to set a value of the recipe that was given as an option of its own, such as `--epochs`; else empty."""
    from methods import Recipe

    key = option.lstrip("-").replace("-", "_")
    return f" Write --set '*.recipe.{key}=VALUE' instead." if key in Recipe.model_fields else ""
