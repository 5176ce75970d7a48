"""The `etl-bench` command: registers the commands and turns expected errors into one line and an exit code."""

import logging
import sys
from typing import Annotated, Any

import typer

import bench
from bench.cli._print import remark
from bench.cli.backbones import backbones
from bench.cli.board import board_app
from bench.cli.cache import cache_app
from bench.cli.check import check
from bench.cli.claims import claims
from bench.cli.compare import compare
from bench.cli.datasets import datasets_app
from bench.cli.demo import demo
from bench.cli.diff import diff
from bench.cli.docs import docs
from bench.cli.doctor import doctor
from bench.cli.explain import explain
from bench.cli.export import export
from bench.cli.features import features_app
from bench.cli.leaderboard import leaderboard
from bench.cli.methods import methods_app
from bench.cli.models import models_app
from bench.cli.predict import predict
from bench.cli.published import published_app
from bench.cli.recommend import recommend
from bench.cli.report import report
from bench.cli.rescore import rescore
from bench.cli.results import results_app
from bench.cli.run import run
from bench.cli.show import show
from bench.cli.status import status
from bench.cli.submissions import submissions_app
from bench.cli.submit import submit
from bench.cli.suggest_labels import suggest_labels
from bench.cli.verify import verify
from datasets_registry import BenchError

app = typer.Typer(
    name="etl-bench",
    help="Benchmark efficient transfer learning (ETL) of CLIP-like models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"etl-bench {bench.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error; may be given anywhere.")
    ] = False,
) -> None:
    pass


_RUNS = (run, demo, recommend, status)
_RESULTS = (leaderboard, report, compare, diff, claims, export, submit)
_MODELS = (predict, explain, suggest_labels)
_OTHERS = (backbones, show, verify, rescore, doctor, check, docs)
for command in (*_RUNS, *_RESULTS, *_MODELS, *_OTHERS):
    app.command()(command)
app.add_typer(datasets_app, name="datasets")
app.add_typer(methods_app, name="methods")
app.add_typer(models_app, name="models")
app.add_typer(published_app, name="published")
app.add_typer(results_app, name="results")
app.add_typer(board_app, name="board")
app.add_typer(submissions_app, name="submissions")
app.add_typer(features_app, name="features")
app.add_typer(cache_app, name="cache")


_ParserError: Any = typer.BadParameter.__base__  # of typer's own click, or of click itself before typer 0.29


def main() -> None:
    """Entry point of `etl-bench`. An expected error is one line on standard error and exit code 2."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    try:
        code = app(arguments, prog_name="etl-bench", standalone_mode=False)
    except BenchError as error:
        if debug:
            raise
        code = _refuse(str(error))
    except _ParserError as error:
        # no message: the help was printed instead
        message, context = error.format_message(), error.ctx
        advice = _recipe_advice(getattr(error, "option_name", "")) if context and context.info_name == "run" else ""
        asks = f" See `{context.command_path} --help`." if context else ""
        stop = "" if message.endswith((".", "?", "!")) else "."
        code = _refuse(f"{message}{stop}{advice}{asks}") if message else 2
    except OSError as error:
        if debug:
            raise
        what = f"{error.filename}: " if error.filename else ""
        code = _refuse(f"{what}{error.strerror or error}. Repeat the command with --debug to see where.")
    except typer.Abort:
        code = 1
    sys.exit(code or 0)


def _recipe_advice(option: str) -> str:
    """How to set a value of the recipe that was given as an option of its own, such as `--epochs`; else empty."""
    from methods import Recipe

    key = option.lstrip("-").replace("-", "_")
    return f" Write --set '*.recipe.{key}=VALUE' instead." if key in Recipe.model_fields else ""


def _refuse(message: str) -> int:
    remark(f"error: {' '.join(message.split())}")
    return 2
