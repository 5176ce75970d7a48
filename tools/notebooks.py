"""Execute the notebooks of docs/notebooks, each in an empty folder, and store what their cells show.

    python -m tools.notebooks            # write the outputs into the files
    python -m tools.notebooks --check    # exit code 1, with the differences, if a cell fails or shows something else

The cells run in this process, without a Jupyter kernel: the last expression of a cell is shown, and `%%writefile` is
the only magic. Texts and tables are compared on a machine of the kind that made them, since other processors and
versions round differently. Elsewhere every cell must still run and show the same kinds of output. Pictures are not
compared. Standard error, such as progress, is not stored.
"""

import argparse
import ast
import base64
import contextlib
import difflib
import io
import json
import linecache
import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "notebooks"
COMMAND = "python -m tools.notebooks"
REPRESENTATIONS = {"text/html": "_repr_html_", "image/svg+xml": "_repr_svg_", "image/png": "_repr_png_"}
MAGIC = "%%writefile "

Notebook = dict[str, Any]
Output = dict[str, Any]


class CellFailedError(Exception):
    """A cell raised an exception."""


def notebook_files() -> list[Path]:
    """The notebooks of the documentation."""
    return sorted(FOLDER.glob("*.ipynb"))


def code_cells(notebook: Notebook) -> list[dict[str, Any]]:
    """The cells that are executed, in order."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def execute(notebook: Notebook) -> list[list[Output]]:
    """What each code cell shows when all run in order in the working folder. Raises CellFailedError."""
    names: dict[str, Any] = {"__name__": "__main__"}
    return [_run("".join(cell["source"]), number, names) for number, cell in enumerate(code_cells(notebook), 1)]


def _run(source: str, number: int, names: dict[str, Any]) -> list[Output]:
    if source.startswith(MAGIC):
        head, _, text = source.partition("\n")
        Path(head.removeprefix(MAGIC).strip()).write_text(text + "\n", encoding="utf-8")
        return []
    outputs: list[Output] = []
    printed, progress = io.StringIO(), io.StringIO()
    names["display"] = lambda value: outputs.extend([*_printed(printed), shown(value, "display_data")])
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(progress):
            value = _evaluate(source, f"<cell {number}>", names)
    except Exception as error:
        raise CellFailedError(f"cell {number} raised {type(error).__name__}: {error}\n{progress.getvalue()}") from error
    outputs += _printed(printed)
    if value is not None:
        outputs.append(shown(value, "execute_result") | {"execution_count": number})
    return outputs


def _evaluate(source: str, place: str, names: dict[str, Any]) -> object:
    """Run the statements; the value of the last one if it is an expression."""
    linecache.cache[place] = (len(source), None, source.splitlines(keepends=True), place)
    tree = ast.parse(source, place)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, place, "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), place, "eval"), names)


def _printed(stream: io.StringIO) -> list[Output]:
    """What was printed since the last output."""
    text = stream.getvalue()
    stream.seek(0)
    stream.truncate()
    return [{"name": "stdout", "output_type": "stream", "text": text.splitlines(keepends=True)}] if text else []


def shown(value: object, kind: str) -> Output:
    """A value in every representation that it has, as Jupyter stores it."""
    data: dict[str, Any] = {}
    for mime, method in REPRESENTATIONS.items():
        found = getattr(value, method)() if hasattr(type(value), method) else None
        if isinstance(found, bytes):
            data[mime] = base64.b64encode(found).decode("ascii")
        elif found is not None:
            data[mime] = found.splitlines(keepends=True)
    text = f"an image, {type(value).__name__}" if "image/png" in data else repr(value)  # images print an address
    data["text/plain"] = text.splitlines(keepends=True)
    return {"data": data, "metadata": {}, "output_type": kind}


@contextlib.contextmanager
def empty_folder() -> Iterator[Path]:
    """An empty working folder, from which modules can be imported and in which nothing of the user is found."""
    before, variables = Path.cwd(), dict(os.environ)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ["ETL_BENCH_DATASETS"] = "etl-bench-datasets"
        os.chdir(folder)
        sys.path.insert(0, folder)
        try:
            yield Path(folder)
        finally:
            sys.path.remove(folder)
            os.chdir(before)
            os.environ.clear()
            os.environ.update(variables)


def machine() -> str:
    """What decides how numbers are rounded: processor, instructions and the version of torch."""
    import torch

    capability = torch.backends.cpu.get_cpu_capability()
    return f"{platform.system()} {platform.machine()}, {capability}, torch {torch.__version__.partition('+')[0]}"


def differences(notebook: Notebook, found: Sequence[Sequence[Output]]) -> list[str]:
    """What the cells show now against what is stored, as lines; only the kinds of output on another machine."""
    exact = notebook["metadata"].get("made_on") == machine()
    lines: list[str] = []
    for number, (cell, outputs) in enumerate(zip(code_cells(notebook), found, strict=True), 1):
        before, after = (_texts(some) if exact else _kinds(some) for some in (cell["outputs"], outputs))
        changed = list(difflib.unified_diff(before, after, "stored", "now", lineterm="", n=0))
        lines += [f"cell {number}:", *changed] if changed else []
    return lines


def _kinds(outputs: Sequence[Output]) -> list[str]:
    return [f"{output['output_type']} {sorted(output.get('data', ()))}" for output in outputs]


def _texts(outputs: Sequence[Output]) -> list[str]:
    """The lines of texts and tables, and the kinds of all outputs."""
    lines = _kinds(outputs)
    for output in outputs:
        parts = [output.get("text", [])]
        parts += [part for mime, part in output.get("data", {}).items() if mime != "image/png"]
        lines += [line.rstrip("\n") for part in parts for line in part]
    return lines


def store(notebook: Notebook, found: Sequence[Sequence[Output]]) -> Notebook:
    """The notebook with these outputs."""
    for number, (cell, outputs) in enumerate(zip(code_cells(notebook), found, strict=True), 1):
        cell |= {"outputs": list(outputs), "execution_count": number}
    notebook["metadata"]["made_on"] = machine()
    return notebook


def main(arguments: Sequence[str] | None = None) -> int:
    """Execute the notebooks, and write or compare their outputs."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Execute the notebooks of the documentation.")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    parser.add_argument("files", nargs="*", type=Path, help="notebooks; default: all of docs/notebooks")
    options = parser.parse_args(arguments)
    failed = False
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the matrices are too small for a second thread to help
    with tempfile.TemporaryDirectory() as cache:
        os.environ.setdefault("ETL_BENCH_CACHE", cache)  # they use the same synthetic datasets
        for path in [file.resolve() for file in options.files] or notebook_files():
            notebook = json.loads(path.read_text(encoding="utf-8"))
            try:
                with empty_folder():
                    found = execute(notebook)
            except CellFailedError as error:
                sys.stderr.write(f"{path.name}, {error}\n")
                failed = True
                continue
            if options.check:
                lines = differences(notebook, found)
                failed = failed or bool(lines)
                sys.stdout.writelines(f"{line}\n" for line in ([f"{path.name}:", *lines] if lines else []))
            else:
                text = json.dumps(store(notebook, found), indent=1, ensure_ascii=False)
                path.write_text(text + "\n", encoding="utf-8")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
