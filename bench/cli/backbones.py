"""`etl-bench backbones`: lists the families of backbones, and shows a family or one backbone."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from bench._util.words import counted
from bench.api import backbone_facts, backbone_rows
from bench.cli import _options as opt
from bench.cli._commands import Commands
from bench.cli._groups import LIST, SHOW, ListsByDefault
from bench.cli._options_of import options_of
from bench.cli._print import print_facts, print_json, print_line, print_rows, remark

backbones_app = Commands(
    cls=ListsByDefault,
    help="List the families of backbones with an example of each, or show a family or backbone "
    "(`etl-bench backbones NAME`).",
)


@backbones_app.command(LIST)
def _list_command(as_json: opt.AsJson = False) -> None:
    """List the families of backbones: an example and the number of pretrained weights of each; with --json, everything.

    A backbone is an arch.tag of open_clip, hf-hub:ORG/NAME, local-dir:FOLDER, or local weights (ARCH=FILE).
    """
    backbones = backbone_rows()
    if as_json:
        print_json(backbones)
        return
    rows = [_short(list(group)) for _, group in groupby(backbones, key=lambda row: row["family"])]
    print_rows(rows)
    weights = sum(int(row["pretrained"]) for row in rows)
    remark(f"{counted(len(rows), 'family')}, {weights} pretrained; `etl-bench backbones NAME` shows one or a backbone")


@backbones_app.command(SHOW)
@options_of(backbone_facts)
def _show(name: str, as_json: opt.AsJson = False) -> None:
    """Show a family, or one backbone: its towers, its weights, and the methods that run and that do not.

    Example: etl-bench backbones ViT-B-16-SigLIP2

    Example: etl-bench backbones MobileCLIP
    """
    if family := backbone_rows(name):
        if as_json:
            print_json(family)
            return
        for at, row in enumerate(family):
            if at:
                print_line("")
            print_facts(_of_family(row), as_json=False)
        return
    card = backbone_facts(name)
    if not as_json:
        card["only_with_settings"] = _lines(card["only_with_settings"].items()) or "none"
        card["left_out"] = _reasons(card["left_out"])
    print_facts(card, as_json=as_json)


def _short(groups: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The row of a family; its example is the first one with pretrained weights."""
    counts = [sum(map(len, group["architectures"].values())) for group in groups]
    first = next((k for k, count in enumerate(counts) if count), 0)
    return {"family": groups[0]["family"], "example": groups[first]["example"], "pretrained": sum(counts)}


def _of_family(row: Mapping[str, Any]) -> dict[str, object]:
    names = [f"{arch}.{tag}" for arch, tags in row["architectures"].items() for tag in tags or ["random"]]
    facts = {"family": row["family"], "backbones": "\n".join(names), "methods": row["methods"]}
    return facts | {"left_out": _reasons(row["left_out"])}


def _reasons(left_out: Mapping[str, Sequence[str]]) -> str:
    return _lines((", ".join(methods), reason) for reason, methods in left_out.items())


def _lines(pairs: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"{name}: {text}" for name, text in pairs)
