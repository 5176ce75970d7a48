"""`etl-bench backbones`: the backbones by family, and which methods run on them."""

from typing import Annotated

import typer

from bench.cli import _options as opt
from bench.cli._print import print_facts, print_rows


def backbones(
    name: Annotated[
        str | None,
        typer.Argument(help="Show one: architecture, arch.tag, ARCH=FILE, hf-hub:ORG/NAME or local-dir:FOLDER."),
    ] = None,
    as_json: opt.AsJson = False,
) -> None:
    """List the families of backbones with an example of each, or show one backbone: its towers, weights and methods.

    A backbone is an arch.tag of open_clip, hf-hub:ORG/NAME, local-dir:FOLDER, or local weights (ARCH=FILE).

    Example: etl-bench backbones ViT-B-16-SigLIP2
    """
    from bench.sweep import backbone_card, backbone_groups

    if name is not None:
        card = backbone_card(name)
        if not as_json:
            conditions = "\n".join(f"{method}: {reason}" for method, reason in card["only_with_settings"].items())
            card["only_with_settings"] = conditions or "none"
            card["left_out"] = "\n".join(
                f"{', '.join(methods)}: {reason}" for reason, methods in card["left_out"].items()
            )
        print_facts(card, as_json=as_json)
        return
    rows: list[dict[str, object]] = []
    for group in backbone_groups():
        row: dict[str, object] = {"family": group.family, "example": group.example}
        if as_json:
            row |= {"architectures": group.architectures, "methods": group.runs, "left_out": group.left_out}
        else:
            refused = sorted(method for methods in group.left_out.values() for method in methods)
            few = len(group.runs) < len(refused)
            left_out = f"all but {', '.join(group.runs)}" if few else ", ".join(refused)
            tags = sum(map(len, group.architectures.values()))
            row |= {"pretrained": tags, "methods": len(group.runs), "left_out": left_out}
        rows.append(row)
    print_rows(rows, as_json=as_json)
