import hashlib
import re
from dataclasses import replace
from pathlib import Path

import pytest
from fake_runner import make_record, make_spec
from places import ROOT

import bench.provenance.source_digest as digests
from bench.provenance import staleness
from bench.provenance.source_digest import code_only, machinery_digest, source_digest
from bench.provenance.staleness import Staleness
from bench.record import RunStatus
from bench.results.shards import Shards
from bench.sweep import Expansion, RerunPolicy, plan
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


@pytest.mark.parametrize("more", ["\n# a remark\n", '\n"""Words."""\n', "\nfrom methods._base.method import Family\n"])
def test_prose_and_imports_leave_the_digest_of_a_method_alone(more: str, touch):
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
    moved = {"methods.moved_composed": "methods._parts.composed_method"}
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


@pytest.mark.parametrize("machinery", ["two_tower.py", "learned_prompts.py", "method.py", "text_encoder.py"])
def test_a_method_changes_with_the_shared_code_below_it(machinery: str, touch):
    before, own = machinery_digest(get_method("coop")), source_digest(get_method("coop"))
    touch(machinery, "\nA = 1\n")
    assert machinery_digest(get_method("coop")) != before
    assert source_digest(get_method("coop")) == own


@pytest.mark.parametrize(
    ("file", "more"),
    [
        ("learned_prompts.py", "\n# a remark\n"),
        ("learned_prompts.py", '\n"""Words."""\n'),
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


# --- what is stale ----------------------------------------------------------------------------------------------------


def record(**provenance):
    coop = get_method("coop")
    made = make_record(make_spec())
    now = {"method_digest": source_digest(coop), "machinery_digest": machinery_digest(coop)}
    return made.model_copy(update={"provenance": made.provenance.model_copy(update=now | provenance)})


@pytest.mark.parametrize(
    ("provenance", "reasons"),
    [
        ({}, ()),
        ({"machinery_digest": None}, ()),
        ({"method_digest": "old"}, ("the code of coop changed",)),
        ({"machinery_digest": "old"}, ("shared code that coop imports changed",)),
        ({"backbone_digest": "old"}, ("the weights of ViT-demo.drawn changed",)),
        ({"backbone_digest": ""}, ()),
        ({"dataset_check": "then"}, ("the files of spectrum_a changed",)),
        (
            {"method_digest": "old", "dataset_check": "then"},
            ("the code of coop changed", "the files of spectrum_a changed"),
        ),
    ],
)
def test_why_a_record_is_stale(provenance: dict, reasons: tuple[str, ...], monkeypatch):
    monkeypatch.setattr("bench.provenance.staleness.last_fingerprint", lambda name, root: "now")
    assert Staleness(None, lambda slug: "b").reasons(record(**provenance)) == reasons


def test_weights_are_left_out_where_nobody_loads_them_and_data_where_nobody_checked_them():
    assert Staleness(None).reasons(record(backbone_digest="old", dataset_check="then")) == ()


def test_a_plan_counts_what_is_stale_and_runs_it_only_if_told(tmp_path: Path):
    shards = Shards(tmp_path)
    fresh, old, failed = (make_spec(seed=seed) for seed in (1, 2, 3))
    for spec, change in ((fresh, {}), (old, {"method_digest": "old"})):
        made = record(**change)
        shards.write(made.model_copy(update={"spec": spec, "run_id": spec.run_id}))
    shards.write(make_record(failed, status=RunStatus.FAILED, scores=[]))
    expansion = Expansion((fresh, old, failed), ())
    made = plan(expansion, shards)
    assert made.pending == (failed,)
    assert made.stale_reasons == {"the code of coop changed": 1}
    assert made.seen[fresh.run_id] == shards.stamp(fresh.run_id)
    assert plan(expansion, shards, RerunPolicy.STALE).pending == (old, failed)
    assert plan(expansion, shards, RerunPolicy.MISSING).pending == ()
    assert replace(made, pending=()).done == (fresh, old, failed)


def test_a_rewrite_that_changed_no_prediction_leaves_results_valid(monkeypatch):
    coop = get_method("coop")
    now = [source_digest(coop), machinery_digest(coop)]
    old = record(method_digest="m", machinery_digest="s")
    assert Staleness(None).reasons(old) == ("the code of coop changed",)
    monkeypatch.setattr(staleness, "equivalent_code", lambda: {"coop": ["m", "s", *now]})
    assert Staleness(None).reasons(old) == ()
    monkeypatch.setattr(staleness, "equivalent_code", lambda: {"coop": ["m", "s", "later", now[1]]})
    assert Staleness(None).reasons(old) == ("the code of coop changed",)


def test_the_equivalent_versions_name_registered_methods_and_whole_digests():
    for name, versions in staleness.equivalent_code().items():
        assert get_method(name).info.name == name
        assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in versions)
        assert len(versions) == 4
