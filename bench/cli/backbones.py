"""`etl-bench backbones`: the backbones that people use most."""

from bench.cli import _options as opt
from bench.cli._print import print_rows


def backbones(as_json: opt.AsJson = False) -> None:
    """List common backbones. Any other arch.tag of open_clip and local weights (ARCH=FILE) work as well."""
    from methods import list_backbones

    print_rows([{"backbone": slug, "what": line} for slug, line in list_backbones().items()], as_json=as_json)
