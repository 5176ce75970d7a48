import hashlib
from pathlib import Path

import pytest
from places import ROOT

import bench.results.code_digests as digests
from bench.results.code_digests import code_only, source_digest
from methods import get_method


@pytest.fixture
def touch(monkeypatch):
    """Pretend that a file below methods/ holds something more."""
    changed: dict[str, str] = {}
    real = Path.read_text

    def read_text(self: Path, *args, **kwargs) -> str:
        return real(self, *args, **kwargs) + changed.get(self.name, "")

    def forget() -> None:
        for cached in (source_digest, digests._code_digest):
            cached.cache_clear()

    def touch(name: str, more: str) -> None:
        changed[name] = more
        forget()

    monkeypatch.setattr(Path, "read_text", read_text)
    yield touch
    monkeypatch.undo()
    forget()


def test_the_digest_of_a_method_is_that_of_the_code_in_its_file():
    text = (ROOT / "methods" / "coop.py").read_text(encoding="utf-8")
    assert source_digest(get_method("coop")) == hashlib.sha256(code_only(text).encode()).hexdigest()


@pytest.mark.parametrize(
    "more",
    [
        "\n# a remark\n",
        '\n"""Words."""\n',
        "\nfrom methods._base.method import Family\n",
        "\ndef tuned_state(self):\n    return {'a': 1}\n",
    ],
)
def test_prose_imports_and_the_keeping_of_models_leave_the_digest_of_a_method_alone(more: str, touch):
    before = source_digest(get_method("coop"))
    touch("coop.py", more)
    assert source_digest(get_method("coop")) == before
    touch("coop.py", "\nA = 1\n")
    assert source_digest(get_method("coop")) != before


def test_a_class_without_a_file_is_known_by_its_name():
    made = type("Made", (), {"__module__": "nowhere"})
    assert len(source_digest(made)) == 64


def test_an_ensemble_changes_with_its_host(touch):
    around = get_method("apex_on:kgcoop")
    before, other = source_digest(around), source_digest(get_method("apex_on:maple"))
    touch("kgcoop.py", "\nA = 1\n")
    assert source_digest(around) != before
    assert source_digest(get_method("apex_on:maple")) == other


def test_code_alone():
    imports = "import torch\nfrom methods import (\n    Method,\n)\n"
    code = 'A = "# no remark"  # a remark\n\n\ndef f():\n    """Doc\n\n    of f."""\n    return 1\n'
    text = f'"""Doc."""\n{imports}\n{code}'
    assert code_only(text) == 'import torch\nA = "# no remark"\ndef f():\n    return 1'
