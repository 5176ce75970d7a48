"""Code that is not built on Dassl, run by an adapter, and trainings in several stages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fork_runs import BACKBONE, planned, trust, trusted_fork
from stand_in_forks import apply, commit, make_fork
from sweep_requests import sweep_over

from bench.context import RunContext
from bench.errors import StaleSpecError
from bench.experiment.runner import run_experiment
from bench.extensions.forks import OfficialCodeError, fork_facts, run_official_code
from bench.extensions.forks.adapter_files import AdapterFile, read_adapter
from bench.extensions.forks.fork_method import read_steps
from bench.sweep import SweepRequest, expand, named_files
from datasets_registry import EvalProtocol

ADAPTER = """\
REPOSITORY = "stand-in"
NAME = "Zero-shot by hand"
USES = ["test stream", "teacher"]


def train(task):
    import clip
    import torch

    model = task.clip

    def scores(classes):
        texts = clip.tokenize([task.template.replace("{}", name) for name in classes.names]).to(task.device)
        with torch.no_grad():
            text = model.encode_text(texts)
            image = torch.cat([model.encode_image(images) for images, _ in classes.test_loader])
        unit = torch.nn.functional.normalize
        return model.logit_scale.exp() * unit(image, dim=-1) @ unit(text, dim=-1).t()

    return scores
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trusted stand-in and an adapter beside it."""
    place = tmp_path_factory.mktemp("adapters")
    trusted_fork(place / "stand-in")
    (place / "zero.py").write_text(ADAPTER)
    return place


def request_of(adapter: Path, data: Path, **axes: object) -> SweepRequest:
    trust(f"adapter:{adapter}")
    values = {"protocol": EvalProtocol.FEW_SHOT, "shots": (2,), "seeds": (1,), "data_root": data} | axes
    return sweep_over([f"adapter:{adapter}"], ["eurosat"], [BACKBONE], **values)


def test_an_adapter_evaluates_every_set_of_classes(folder: Path, data: Path) -> None:
    """Zero-shot CLIP by the repository's own model equals ours on base, new and all classes."""
    request = request_of(folder / "zero.py", data, protocol=EvalProtocol.BASE_TO_NEW)
    (spec,) = expand(request).specs
    assert spec.method == "fork:Zero-shot_by_hand"
    record, items = run_official_code(spec, RunContext(data_root=data, files=named_files(request)))
    theirs = {item.split: item for item in items}
    (ours_spec,) = expand(
        sweep_over(["zero_shot"], ["eurosat"], [BACKBONE], protocol=EvalProtocol.BASE_TO_NEW, data_root=data)
    ).specs
    _, items = run_experiment(ours_spec, RunContext(data_root=data))
    ours = {item.split: item for item in items}
    assert theirs.keys() == ours.keys() == {"base", "new", "open-base", "open-new"}
    for split, item in ours.items():
        assert theirs[split].images == item.images
        np.testing.assert_allclose(theirs[split].top_logits, item.top_logits, atol=0.02)
    assert record.provenance.external is not None
    assert record.provenance.external.command == "adapter zero.py"
    assert record.provenance.external.uses == ["test stream", "teacher"]


def test_an_adapter_is_part_of_the_identity_of_its_runs(folder: Path, data: Path) -> None:
    adapter = folder / "edited.py"
    adapter.write_text(ADAPTER)
    request = request_of(adapter, data)
    (before,) = expand(request).specs
    files = named_files(request)
    adapter.write_text(ADAPTER + "\n# changed\n")
    (after,) = expand(request_of(adapter, data)).specs
    assert before.run_id != after.run_id
    with pytest.raises(StaleSpecError, match="changed since this run"):
        run_official_code(before, RunContext(data_root=data, files=files))
    with pytest.raises(StaleSpecError, match="again with -m adapter:FILE"):
        run_official_code(after, RunContext(data_root=data, files={before.config["tree"]: folder / "stand-in"}))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "has no function train"),
        ("def train(:", "cannot be read"),
        ("x = 1\ndef trains(task): pass\n", "has no function train"),
        ("USES = ['texts']\ndef train(task): pass\n", "USES .* is .*'texts'.*It is a list of: teacher, .*test labels"),
        ("USES = None\ndef train(task): pass\n", "It is a list of: teacher"),
    ],
)
def test_a_file_that_is_no_adapter_is_refused(content: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(content)
    with pytest.raises(OfficialCodeError, match=expected):
        read_adapter(tmp_path / "a.py")


def test_an_adapter_inside_a_clone_needs_no_address(folder: Path) -> None:
    inside = folder / "stand-in" / "mine.py"
    inside.write_text("def train(task):\n    return None\n")
    assert read_adapter(inside) == AdapterFile(folder / "stand-in", "mine", None)
    assert fork_facts(f"adapter:{inside}").name == "fork:mine"
    inside.unlink()


def test_what_an_adapter_returns_is_checked(folder: Path, data: Path) -> None:
    adapter = folder / "few.py"
    adapter.write_text('REPOSITORY = "stand-in"\n\ndef train(task):\n    task.clip\n    return [[0.0, 1.0]]\n')
    request = request_of(adapter, data)
    (spec,) = expand(request).specs
    with pytest.raises(OfficialCodeError, match=r"shape \(1, 2\) for \d+ images of 4"):
        run_official_code(spec, RunContext(data_root=data, files=named_files(request)))


def test_what_an_adapter_does_not_state_is_unknown(tmp_path: Path) -> None:
    for line, uses in (("", None), ("USES = []", ()), ("USES = ['test labels']", ("test labels",))):
        (tmp_path / "a.py").write_text(f"{line}\n\ndef train(task):\n    pass\n")
        assert read_adapter(tmp_path / "a.py").uses == uses


# --- stages ------------------------------------------------------------------------------------------------


@pytest.mark.slow  # official code runs twice; test_fork_run.py runs it
def test_a_later_stage_reads_the_output_of_an_earlier_one(data: Path, tmp_path: Path) -> None:
    steps = tmp_path / "steps.toml"
    words = "train.py --config-file configs/trainers/OffsetText/vit.yaml"
    made = make_fork(tmp_path / "fork")
    text = "import sys\n\nwith open(sys.argv[2] + '/texts.txt', 'w') as file:\n    file.write(sys.argv[1])\n"
    apply(made, ("tools/write.py", "", text))
    apply(made, ("scripts/write.sh", "", "python tools/write.py $1 $2\npython tools/check.py $2\n"))
    apply(made, ("tools/check.py", "", "import sys\n\nassert open(sys.argv[1] + '/texts.txt').read() == 'eurosat'\n"))
    commit(made)
    steps.write_text(
        f'[[step]]\ncommand = "{words}"\n\n[[step]]\nrun = "scripts/write.sh {{dataset}} {{step2}}"\n\n'
        f'[[step]]\nrun = "tools/check.py {{step2}}"\n\n'
        f'[[step]]\ncommand = "{words}"\nopts = "DATASET.ROOT {{step1}}"\n'
    )
    spec, context = planned(made, data, f"fork.steps={steps}")
    assert [step.get("command") for step in spec.config["steps"]] == [words, None, None, words]
    record, _ = run_official_code(spec, context)
    external = record.provenance.external
    assert external is not None
    assert external.command.endswith("WORK/step1")
    assert "{step1}" not in external.command


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("step = 1", "cannot be read"),
        ("[[step]]\nscrpt = 'a.sh'", "'scrpt'. Allowed: script, args, command, opts, trainer, run"),
        ("[[step]]\nrun = 'a.py'", "do not end with a training"),
        ("[[step]]\nrun = 'a.py'\nopts = 'b'\n[[step]]\nscript = 'a.sh'", "`run` stands alone"),
        ("", "The file has tables"),
    ],
)
def test_other_files_of_steps_are_refused(content: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "steps.toml").write_text(content)
    with pytest.raises(OfficialCodeError) as raised:
        read_steps(tmp_path / "steps.toml")
    assert expected in str(raised.value)


def test_a_script_that_fails_between_trainings_is_the_reason(data: Path, tmp_path: Path) -> None:
    made, steps = make_fork(tmp_path / "fork"), tmp_path / "steps.toml"
    apply(made, ("tools/fail.py", "", "import sys\n\nsys.exit('no texts')\n"))
    commit(made)
    last = "train.py --config-file configs/trainers/OffsetText/vit.yaml"
    steps.write_text(f'[[step]]\nrun = "tools/fail.py"\n\n[[step]]\ncommand = "{last}"\n')
    spec, context = planned(made, data, f"fork.steps={steps}")
    with pytest.raises(OfficialCodeError, match=r"\(step 1\): It left with sys.exit\(no texts\) in tools/fail.py"):
        run_official_code(spec, context)
