"""`etl-bench backbones`: the backbones by family, and which methods run on them."""

from typing import Any

from bench.api import backbone_facts, backbone_rows
from bench.cli import _options as opt
from bench.cli._options_of import options_of
from bench.cli._print import print_facts, print_rows


@options_of(backbone_facts)
def backbones(name: str | None = None, as_json: opt.AsJson = False) -> None:
    """List the families of backbones with an example of each, or show one backbone: its towers, weights and methods.

    A backbone is an arch.tag of open_clip, hf-hub:ORG/NAME, local-dir:FOLDER, or local weights (ARCH=FILE).

    Example: etl-bench backbones ViT-B-16-SigLIP2
    """
    if name is not None:
        card = backbone_facts(name)
        if not as_json:
            conditions = "\n".join(f"{method}: {reason}" for method, reason in card["only_with_settings"].items())
            card["only_with_settings"] = conditions or "none"
            card["left_out"] = "\n".join(
                f"{', '.join(methods)}: {reason}" for reason, methods in card["left_out"].items()
            )
        print_facts(card, as_json=as_json)
        return
    found = backbone_rows()
    print_rows(found if as_json else list(map(_short, found)), as_json=as_json)


def _short(row: dict[str, Any]) -> dict[str, object]:
    refused = sorted(method for methods in row["left_out"].values() for method in methods)
    few = len(row["methods"]) < len(refused)
    return {
        "family": row["family"],
        "example": row["example"],
        "pretrained": sum(map(len, row["architectures"].values())),
        "methods": len(row["methods"]),
        "left_out": f"all but {', '.join(row['methods'])}" if few else ", ".join(refused),
    }
