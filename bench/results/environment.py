"""The provenance of a run: state of the source, package versions, machine, and digests of its inputs."""

import json
import platform
import subprocess
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import bench
from bench.record import GpuFacts, Provenance
from bench.results.known_facts import known_methods
from datasets_registry import UnlabelledImages

PACKAGES = ("torch", "torchvision", "open_clip_torch", "numpy", "pillow", "safetensors", "scipy", "pydantic")
"""Distributions whose version can change a result."""

SHIPPED_STATE = "source-state.json"
"""A file in packages that were copied to another machine: the state of the original checkout."""


def collect_provenance(
    *,
    method: str,
    backbone_digest: str,
    support_digests: list[str],
    true_labels: Mapping[str, int] | None = None,
    unlabelled: UnlabelledImages | None = None,
    device: str,
    threads: int,
    dataset_check: str | None = None,
    eval_batch: int | None = None,
    gpu: GpuFacts | None = None,
) -> Provenance:
    """The provenance of one run in this process; the arguments are described at `Provenance`."""
    facts = known_methods().get(method)
    return Provenance(
        package_version=bench.__version__,
        method_version=facts.version,
        method_digest=facts.source_digest or None,
        **source_state(Path(bench.__file__).resolve().parent.parent),
        python=platform.python_version(),
        platform=platform.platform(),
        packages=package_versions(),
        device=device,
        threads=threads,
        backbone_digest=backbone_digest,
        support_digests=support_digests,
        true_labels=dict(true_labels or {}),
        unlabelled_images=len(unlabelled) if unlabelled else 0,
        unlabelled_digest=unlabelled.digest() if unlabelled else None,
        dataset_check=dataset_check,
        eval_batch=eval_batch,
        gpu=gpu,
    )


@cache
def source_state(root: Path) -> dict[str, Any]:
    """`git_commit` of the git checkout at exactly `root`, and `git_dirty`: whether it has changes; None without one.

    Read once per process. Parent folders are not searched, since a package may be installed below the repository of
    another project. Untracked files do not make a checkout dirty.
    """
    if (shipped := root / SHIPPED_STATE).is_file():
        state: dict[str, Any] = json.loads(shipped.read_text(encoding="utf-8"))
        return state
    if not (root / ".git").exists():
        return {"git_commit": None, "git_dirty": None}
    commit = _git(root, "rev-parse", "HEAD")
    status = _git(root, "status", "--porcelain", "--untracked-files=no")
    return {"git_commit": commit or None, "git_dirty": None if status is None else bool(status)}


@cache
def package_versions() -> dict[str, str]:
    """Installed versions of `PACKAGES`, without those that are missing."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


@cache
def gpu_driver() -> str | None:
    """The version of NVIDIA's driver, read once per process; None if its tool fails."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        listing = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.split()
    except (OSError, subprocess.SubprocessError):
        return None
    return listing[0] if listing else None


def _git(root: Path, *arguments: str) -> str | None:
    command = ["git", "--no-optional-locks", "-C", str(root), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
