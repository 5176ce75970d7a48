"""A plug-in package installed from a wheel adds to both catalogues; a broken one costs one warning."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
from patience import PATIENCE
from places import ROOT

DATASET = '''
"""Three flat colours."""
import numpy as np
from PIL import Image
from datasets_registry import DatasetInfo, DatasetSplits, Sample, register_dataset


class Colours:
    def load(self, key):
        label, number = map(int, key.split("-"))
        return Image.new("RGB", (32, 32), tuple(int(80 + 20 * number if i == label else 10) for i in range(3)))

    def digest(self, key):
        return key.encode().hex().ljust(64, "0")


def read(data_root):
    def part(first, n):
        return tuple(Sample(f"{label}-{i}", label) for label in range(3) for i in range(first, first + n))

    return DatasetSplits(Colours(), ("red", "green", "blue"), part(0, 4), part(4, 2), part(6, 2))


register_dataset(DatasetInfo(
    name="foreign_colours", title="Foreign colours", summary="Three colours.", domain="colours", num_classes=3,
    template="a {} square.", licence="MIT", homepage="", citation="", reader=read,
))
'''

METHOD = '''
"""Always the class texts."""
from typing import ClassVar

from methods import Family, Method, MethodConfig, MethodInfo, get_method, register_method

ZeroShot = get_method("zero_shot")


class Config(MethodConfig):
    """No settings."""


@register_method
class Foreign(Method[Config]):
    info: ClassVar[MethodInfo] = MethodInfo(
        name="foreign_method", title="Foreign", family="classifier", summary="Zero-shot under another name.",
        citation="", config=Config, needs=ZeroShot.info.needs, open_vocabulary=True,
    )

    def prepare(self, support):
        super().prepare(support)
        self.inner = ZeroShot(self.backbone, ZeroShot.info.config(), self.generator)
        self.inner.prepare(support)

    def classifier(self, classes):
        return self.inner.classifier(classes)
'''


def build_wheel(folder: Path, name: str, modules: dict[str, str], entry_points: str) -> Path:
    """Write a wheel by hand, after the format's specification: needs no build tool and no network."""
    info = f"{name}-1.0.dist-info"
    members = {f"{name}/{path}": text for path, text in modules.items()} | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": entry_points,
    }
    rows = []
    for path, text in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(text.encode())}\n")
    wheel = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in members.items():
            archive.writestr(path, text)
        archive.writestr(f"{info}/RECORD", "".join(rows) + f"{info}/RECORD,,\n")
    return wheel


def new_environment(folder: Path) -> Path:
    """The Python of a new virtual environment with this harness and its dependencies.

    A `.pth` file points to the packages that are already installed: installing them again would take minutes and a
    network.
    """
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    command = [str(python), "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"]
    packages = Path(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())
    (packages / "harness.pth").write_text(f"{ROOT}\n{sysconfig.get_paths()['purelib']}\n")
    return python


def install(wheel: Path, python: Path) -> None:
    pytest.importorskip("pip")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check", "--no-cache-dir"]
    subprocess.run([*pip, "install", "--quiet", "--no-index", "--no-deps", str(wheel)], check=True, capture_output=True)


def etl_bench(folder: Path, python: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment["ETL_BENCH_CACHE"] = str(folder / "cache")
    command = [str(python), "-m", "bench", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


@pytest.fixture
def python(tmp_path: Path) -> Path:
    points = (
        "[clip_etl_bench.datasets]\nforeign_colours = foreign_pack.colours\n"
        "[clip_etl_bench.methods]\nforeign_method = foreign_pack.method\n"
    )
    modules = {"__init__.py": "", "colours.py": DATASET, "method.py": METHOD}
    python = new_environment(tmp_path / "environment")
    install(build_wheel(tmp_path, "foreign_pack", modules, points), python)
    return python


def test_an_installed_package_adds_a_dataset_and_a_method_that_run(tmp_path: Path, python: Path) -> None:
    axes = ["-m", "foreign_method", "-d", "foreign_colours", "-b", "ViT-tiny.random", "--protocol", "base-to-new"]
    ran = etl_bench(tmp_path, python, "run", *axes, "--shots", "2", "--seeds", "1", "--jobs", "0", "--json")
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["failed"] == []
    assert "warning" not in ran.stderr


@pytest.mark.slow  # test_plug_ins.py loads broken modules
def test_a_broken_package_costs_one_warning_and_nothing_else(tmp_path: Path, python: Path) -> None:
    points = "[clip_etl_bench.datasets]\nbroken_birds = broken_pack\n"
    install(build_wheel(tmp_path, "broken_pack", {"__init__.py": "import no_such_module\n"}, points), python)
    listed = etl_bench(tmp_path, python, "datasets", "--json")
    assert listed.returncode == 0
    assert "foreign_colours" in listed.stdout
    assert listed.stderr.splitlines() == [
        "warning: dataset 'broken_birds' is left out: the plug-in of package 'broken_pack' (broken_pack) could not be "
        "loaded (ModuleNotFoundError: No module named 'no_such_module'). Update that package, or "
        "`pip uninstall broken_pack`."
    ]
    refused = etl_bench(tmp_path, python, "datasets", "show", "broken_birds")
    assert refused.returncode == 2
    assert "plug-in of package 'broken_pack'" in refused.stderr
