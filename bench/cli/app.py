"""The `etl-bench` command: registers the commands and turns expected errors into one line and an exit code."""

import functools
import io
import logging
import re
import sys
from typing import Annotated, Any

import typer

import bench
from bench.api import unknown_name_advice, unknown_option_advice
from bench.cli._commands import Commands
from bench.cli._groups import ordered_group
from bench.cli._print import remark
from bench.cli.backbones import backbones_app
from bench.cli.compare import compare_command
from bench.cli.datasets import datasets_app
from bench.cli.demo import demo
from bench.cli.doctor import doctor_app
from bench.cli.export import export_command
from bench.cli.leaderboard import leaderboard_command
from bench.cli.methods import methods_app
from bench.cli.models import models_command
from bench.cli.papers import papers_app
from bench.cli.predict import predict
from bench.cli.report import report
from bench.cli.run import run_command
from bench.cli.runs import runs_app
from bench.cli.status import status
from bench.errors import NoWorkerError
from bench.extensions.boards.commands import board_app
from bench.extensions.conformance.commands import check_command, new_command
from bench.extensions.predictions.commands import import_command
from bench.extensions.recommendation.commands import recommend_command
from datasets_registry import BenchError, did_you_mean

PANELS: dict[str, dict[str, Any]] = {
    "Run": {"run": run_command, "demo": demo, "status": status, "recommend": recommend_command},
    "Look": {
        "leaderboard": leaderboard_command, "compare": compare_command, "report": report, "export": export_command,
        "papers": papers_app,
    },
    "Catalogue": {"datasets": datasets_app, "methods": methods_app, "backbones": backbones_app},
    "Keep": {
        "predict": predict, "models": models_command, "runs": runs_app, "doctor": doctor_app, "board": board_app,
    },
}  # fmt: skip
"""The commands and groups by the panel of `--help` that lists them, in its order."""
methods_app.command("new")(new_command)
methods_app.command("check")(check_command)
runs_app.command("import-predictions")(import_command)

app = Commands(
    name="etl-bench",
    cls=ordered_group(tuple(name for panel in PANELS.values() for name in panel)),
    help="Benchmark efficient transfer learning (ETL) of CLIP-like models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for panel, commands in PANELS.items():
    for name, command in commands.items():
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name, rich_help_panel=panel)
        else:
            app.command(name, rich_help_panel=panel)(command)


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


@functools.cache
def command_tree() -> Any:
    """The commands as click has them. Typer would build them at every call, which takes longer than most commands."""
    return typer.main.get_command(app)


class _Warnings(logging.Handler):
    """Prints warnings as remarks."""

    def emit(self, record: logging.LogRecord) -> None:
        remark(self.format(record))


_ParserError: Any = typer.BadParameter.__base__  # of typer's own click, or of click itself before typer 0.29


_PLACES_OF_WORDS = {
    "run": " Names of a list are separated by commas, without spaces, such as -m coop,apex.",
    "add": " Give the folder of images with --images.",
}
"""Where a further word belongs, by the command that it was given to."""


def _place_below(context: Any, name: str) -> str:
    """Where a command of that name is, one level below; empty if it is not there."""
    below = context.command.commands.items()
    places = [
        f"`{context.command_path} {group} {name}`"
        for group, command in below
        if name in getattr(command, "commands", ())
    ]
    return f" It is {' or '.join(places)}." if places else ""


def main() -> None:
    """Entry point of `etl-bench`. An expected error is one line on standard error and exit code 2.

    It is 1 if no worker could start.
    """
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without Unicode prints `?`
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[_Warnings()])
    logging.getLogger("huggingface_hub").propagate = False  # it prints its own
    try:
        code = command_tree()(arguments, prog_name="etl-bench", standalone_mode=False)
    except BenchError as error:
        if debug:
            raise
        code = _refuse(f"{error}{unknown_name_advice(error)}")
        code = 1 if isinstance(error, NoWorkerError) else code
    except _ParserError as error:
        # no message: the help was printed instead
        message, context = error.format_message(), error.ctx
        if options := getattr(error, "possibilities", None):
            message = f"No such option: {error.option_name}.{did_you_mean(error.option_name, options, most=1)}"
        advice = (
            unknown_option_advice(getattr(error, "option_name", "")) if context and context.info_name == "run" else ""
        )
        if context and "unexpected extra argument" in message:
            advice = _PLACES_OF_WORDS.get(context.info_name, advice)
        if context and (unknown := re.match(r"No such command '([\w-]+)'", message)):
            advice = _place_below(context, unknown[1])
        asks = f" See `{context.command_path} --help`." if context else ""
        stop = "" if message.endswith((".", "?", "!")) else "."
        code = _refuse(f"{message}{stop}{advice}{asks}") if message else 2
    except OSError as error:
        if debug:
            raise
        what = f"{error.filename}: " if error.filename else ""
        code = _refuse(f"{what}{error.strerror or error}.")
    except typer.Abort:
        code = 1
    sys.exit(code or 0)


def _refuse(message: str) -> int:
    remark(f"error: {' '.join(message.split())}")
    return 2
