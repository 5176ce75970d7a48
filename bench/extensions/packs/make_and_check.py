"""Makes and checks feature packs, for commands and Python. The work is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from bench.api import options as opt

if TYPE_CHECKING:
    from bench.extensions.packs.stored import StoredPack

SUFFIX = ".pack"
Names = Sequence[str] | str
Numbers = str | int | Sequence[int]


def make_pack(
    names: opt.NamedDatasets,
    backbone: Annotated[str, opt.Opt(field="backbones")],
    out: Annotated[Path, opt.Opt(f"File to write, NAME{SUFFIX}.")],
    *,
    methods: Annotated[
        Names,
        opt.Opt("Methods whose augmented views and class texts the pack also has. Default: those of zero_shot.", "-m"),
    ] = (),
    protocol: Annotated[str, opt.Opt("The protocol whose settings of --methods are used.")] = "few-shot",
    shots: Annotated[Numbers, opt.Opt(field="shots", numbers=True)] = "16",
    seeds: Annotated[Numbers, opt.Opt(field="seeds", numbers=True)] = "3",
    draw: opt.Draw = "coop",
    allow_fewer: opt.AllowFewer = False,
    data_root: opt.DataRoot = None,
    cache: opt.Cache = None,
    device: opt.Device = "auto",
    force: opt.Force = False,
    progress: Callable[[str], None] = lambda _: None,
) -> StoredPack:
    """Make a pack: the frozen features of datasets that you have, and what is needed to run methods on them elsewhere.

    `progress` receives a line about each dataset that is left out or done.

    Raises UsageError, or the error of a sweep, before any work, and PackError if the file cannot be written.
    """
    from bench.extensions.packs.making import write_pack
    from bench.results import check_output_file
    from bench.sweep import SweepRequest, split_list

    out = Path(out).expanduser()
    check_output_file(out, "--out", force=force, suffixes=(SUFFIX,))
    asked = SweepRequest.build(
        methods=list(dict.fromkeys(["zero_shot", *split_list([methods] if isinstance(methods, str) else methods)])),
        datasets=opt.named_datasets(names),
        backbones=[backbone], protocol=protocol, shots=shots, seeds=seeds, draw=draw, allow_fewer=allow_fewer,
        data_root=data_root, cache=cache, device=device,
    )  # fmt: skip
    return write_pack(asked, out, progress, force=force)


def check_pack(file: Annotated[Path, opt.Arg("A feature pack.", metavar="FILE")]) -> StoredPack:
    """Read a whole pack and compare it with its digests; raises PackError if anything in it is damaged or altered."""
    from bench.extensions.packs.stored import stored_pack

    pack = stored_pack(file)
    pack.check()
    return pack
