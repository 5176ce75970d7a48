"""`etl-bench backbones`: backbones worth naming."""

from __future__ import annotations

from bench.cli import _options as opt


def backbones(as_json: opt.AsJson = False) -> None:
    """List backbones; every other arch.tag of open_clip, and local weights as ARCH=FILE, work as well."""
    from bench.cli._print import print_rows
    from methods import list_backbones

    rows = [{"backbone": slug, "what": line} for slug, line in list_backbones().items()]
    print_rows(rows, ["backbone", "what"], as_json=as_json)
