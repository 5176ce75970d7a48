import hashlib
from pathlib import Path

import pytest
from places import ROOT

import bench.results.code_digests as digests
from bench.results.code_digests import code_only, machinery_digest, source_digest
from methods import Recipe, cosine_logits, get_method


@pytest.fixture
def touch(monkeypatch):
    """Pretend that a file below methods/ holds something more."""
    changed: dict[str, str] = {}
    real = Path.read_text

    def read_text(self: Path, *args, **kwargs) -> str:
        return real(self, *args, **kwargs) + changed.get(self.name, "")

    def forget() -> None:
        for cached in (source_digest, machinery_digest, digests._imports, digests._code_digest):
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


def test_the_machinery_digest_does_not_depend_on_where_modules_lie(monkeypatch):
    """A module that is moved keeps its code, so the results of its users stay valid."""
    coop = get_method("coop")
    before = machinery_digest.__wrapped__(coop)
    real = digests._file
    moved = {"methods.moved_composed": "methods._parts.two_tower_methods"}
    monkeypatch.setattr(digests, "_file", lambda name: real(moved.get(name, name)))
    real_imports = digests._imports
    back = {old: new for new, old in moved.items()}
    monkeypatch.setattr(digests, "_imports", lambda path: tuple(back.get(m, m) for m in real_imports(path)))
    assert machinery_digest.__wrapped__(coop) == before


def test_code_behind_public_names_counts(tmp_path):
    """A method of another package imports from `methods`, which loads its public names lazily."""
    file = tmp_path / "other.py"
    file.write_text("from methods import Recipe, cosine_logits\nimport methods._text.prompt_embeddings\n")
    expected = {Recipe.__module__, cosine_logits.__module__, "methods._text.prompt_embeddings"}
    assert set(digests._imports(file)) == expected


def test_a_class_without_a_file_is_known_by_its_name():
    made = type("Made", (), {"__module__": "nowhere"})
    assert len(source_digest(made)) == 64


def test_an_ensemble_changes_with_its_host(touch):
    around = get_method("apex_on:kgcoop")
    before, other = source_digest(around), source_digest(get_method("apex_on:maple"))
    touch("kgcoop.py", "\nA = 1\n")
    assert source_digest(around) != before
    assert source_digest(get_method("apex_on:maple")) == other


@pytest.mark.parametrize("machinery", ["two_tower_methods.py", "prompts.py", "method.py", "text_tower.py"])
def test_a_method_changes_with_the_shared_code_below_it(machinery: str, touch):
    before, own = machinery_digest(get_method("coop")), source_digest(get_method("coop"))
    touch(machinery, "\nA = 1\n")
    assert machinery_digest(get_method("coop")) != before
    assert source_digest(get_method("coop")) == own


@pytest.mark.parametrize(
    ("file", "more"),
    [
        ("prompts.py", "\n# a remark\n"),
        ("prompts.py", '\n"""Words."""\n'),
        ("registry.py", "\nA = 1\n"),
        ("cache_model.py", "\nA = 1\n"),
        ("tip_adapter.py", "\nA = 1\n"),
    ],
)
def test_remarks_bookkeeping_and_what_others_import_change_nothing(file: str, more: str, touch):
    before = machinery_digest(get_method("coop"))
    touch(file, more)
    assert machinery_digest(get_method("coop")) == before


def test_code_alone():
    imports = "import torch\nfrom methods import (\n    Method,\n)\n"
    code = 'A = "# no remark"  # a remark\n\n\ndef f():\n    """Doc\n\n    of f."""\n    return 1\n'
    text = f'"""Doc."""\n{imports}\n{code}'
    assert code_only(text) == 'import torch\nA = "# no remark"\ndef f():\n    return 1'
