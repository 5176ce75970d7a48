"""Nothing of a repository runs before it is trusted, and trust in one thing is no trust in another.

Each attack would create a file, the mark, if it ran. What the harness does before trust is done to each.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from families_of_methods import some_fast
from fork_runs import BACKBONE, fork_request, inspected, trust
from places import ROOT
from stand_in_forks import SCRIPT, commit, git, make_fork

from bench.errors import OverrideError
from bench.extensions.forks import OfficialCodeError, fork_facts, is_trusted, runnable_code
from bench.extensions.forks.fork_folder import Fork
from bench.sweep import expand


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    return make_fork(tmp_path / "clone")


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """A file that exists if an attack ran."""
    return tmp_path / "executed"


def all_before_trust(clone: Path, data: Path) -> None:
    """What the harness does with a clone that nobody has trusted."""
    inspected(clone)
    assert not is_trusted(runnable_code(str(clone), {}))
    with pytest.raises(OfficialCodeError, match="would run with your rights"):
        expand(fork_request(f"{clone}#OffsetText", data))


def snapshot(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.lstat().st_mtime_ns for path in folder.rglob("*")}


# --- shell scripts ----------------------------------------------------------------------------------------------------

PAYLOADS = {
    "an interpreter by its path": """{python} -c "open('{mark}', 'w')" """,
    "a program by its path": "/bin/touch {mark}",
    "a redirection": "echo x > {mark}",
    "another PATH": "PATH=/usr/local/bin:/usr/bin:/bin\ntouch {mark}",
    "a substitution": "X=$(/bin/touch {mark})",
    "a substitution in an argument": "python train.py --trainer $(/bin/touch {mark})",
    "a function called python": "python() {{ /bin/touch {mark}; }}\npython train.py --trainer T",
    "the default path": "command -p touch {mark}",
    "a sourced file": ". ./helper",
    "a program of the repository": "./tool",
    "a program outside of the clone": "/bin/rm -f {kept}; /bin/touch {mark}",
    "a process in the background": "(/bin/touch {mark}) &",
    "a process in a session of its own": "/usr/bin/setsid /bin/touch {mark}",
    "an endless loop": "/bin/touch {mark}; while true; do :; done",
    "output without end": "/bin/touch {mark}; while true; do echo y; done",
    "a trap": "trap '/bin/touch {mark}' EXIT",
    "eval of an argument": 'eval "$1"; eval "/bin/touch {mark}"',
    "a here document": "/bin/sh <<END\n/bin/touch {mark}\nEND",
    "process substitution": "cat <(/bin/touch {mark})",
    "an exported environment file": "BASH_ENV=helper bash -c :",
}


def test_no_shell_script_runs(clone: Path, mark: Path, data: Path) -> None:
    kept = mark.with_name("kept")
    kept.touch()
    for file in ("helper", "tool"):
        (clone / file).write_text(f"#!/bin/sh\n/bin/touch {mark}\n")
        (clone / file).chmod(0o755)
    marks = {name: mark.with_name(f"executed-{i}") for i, name in enumerate(PAYLOADS)}
    for name, one in marks.items():
        text = PAYLOADS[name].format(mark=one, kept=kept, python=sys.executable)
        (clone / f"{one.name}.sh").write_text(f"#!/bin/bash\n{text}\n")
    commit(clone)
    all_before_trust(clone, data)
    assert [name for name, one in marks.items() if one.exists()] == []
    assert not mark.exists()
    assert kept.exists()


def test_no_script_opens_a_connection(clone: Path, data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        (clone / "attack.sh").write_text(f"#!/bin/bash\necho x > /dev/tcp/127.0.0.1/{server.getsockname()[1]}\n")
        commit(clone)
        all_before_trust(clone, data)
        with pytest.raises(BlockingIOError):
            server.accept()


# --- settings of git --------------------------------------------------------------------------------------------------


def program_of(clone: Path, mark: Path) -> Path:
    """A program beside the clone that makes the mark."""
    file = clone.parent / "program"
    file.write_text(f"#!/bin/sh\n/bin/touch {mark}\n/bin/cat\n")
    file.chmod(0o755)
    return file


SETTINGS = {
    "a monitor of the file system": {"core.fsmonitor": "{program}"},
    "a filter that cleans": {"filter.x.clean": "{program}"},
    "a filter that smudges": {"filter.x.smudge": "{program}", "filter.x.required": "true"},
    "a filter process": {"filter.x.process": "{program}"},
    "Git LFS": {"filter.lfs.clean": "{program}", "filter.lfs.process": "{program}"},
    "a difference by a program": {"diff.external": "{program}", "diff.x.command": "{program}"},
    "a text of binary files": {"diff.x.textconv": "{program}"},
    "folders of hooks": {"core.hooksPath": "{hooks}"},
    "an included file": {"include.path": "{included}"},
    "an included file for this folder": {"includeIf.gitdir:/.path": "{included}"},
    "programs for a terminal": {"core.pager": "{program}", "core.editor": "{program}", "core.askPass": "{program}"},
    "an alias": {"alias.ls-files": "!{program}", "alias.rev-parse": "!{program}", "alias.diff": "!{program}"},
    "programs for connections": {"core.sshCommand": "{program}", "core.gitProxy": "{program}"},
    "a helper for passwords": {"credential.helper": "!{program}"},
    "a submodule that is updated by a program": {"submodule.x.update": "!{program}"},
    "a merge driver": {"merge.x.driver": "{program}"},
    "settings of a worktree": {"extensions.worktreeConfig": "true", "core.fsmonitor": "{program}"},
    "objects that are fetched when they are needed": {
        "extensions.partialClone": "origin", "remote.origin.promisor": "true", "remote.origin.url": "ext::{program}",
        "protocol.ext.allow": "always",
    },
}  # fmt: skip


EACH = [pytest.param([one], id=one, marks=pytest.mark.slow) for one in SETTINGS]


@pytest.mark.parametrize("names", [pytest.param(list(SETTINGS), id="all together"), *EACH])
def test_no_setting_of_a_clone_runs_a_program(names: list[str], clone: Path, mark: Path, data: Path) -> None:
    program, hooks, included = program_of(clone, mark), clone / ".git" / "more-hooks", clone / "git-settings"
    hooks.mkdir()
    for folder in (hooks, clone / ".git" / "hooks"):
        for hook in ("post-index-change", "post-checkout", "pre-commit", "fsmonitor-watchman", "reference-transaction"):
            (folder / hook).write_bytes(program.read_bytes())
    (clone / ".gitattributes").write_text("* filter=x diff=x merge=x\n*.bin filter=lfs\n")
    included.write_text(f'[core]\n\tfsmonitor = {program}\n[filter "x"]\n\tclean = {program}\n')
    commit(clone)
    for folder in (hooks, clone / ".git" / "hooks"):
        for hook in folder.iterdir():
            hook.chmod(0o755)
    for key, value in (pair for name in names for pair in SETTINGS[name].items()):
        git(clone, "config", "--local", key, value.format(program=program, hooks=hooks, included=included))
    for path in (clone / "train.py", clone / "scripts" / "train.sh"):  # git looks at files whose times are newer
        os.utime(path, (2**31, 2**31))
    mark.unlink(missing_ok=True)
    before = snapshot(clone)
    all_before_trust(clone, data)
    assert not mark.exists()
    assert snapshot(clone) == before


def test_settings_of_a_submodule_run_nothing(clone: Path, mark: Path, data: Path) -> None:
    program, library = program_of(clone, mark), make_fork(clone.parent / "library")
    git(clone, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library), "part")
    commit(clone)
    git(clone / "part", "config", "core.fsmonitor", str(program))
    git(clone / "part", "config", "filter.x.clean", str(program))
    mark.unlink(missing_ok=True)
    all_before_trust(clone, data)
    assert "part/train.py" in Fork.read(clone).files
    assert not mark.exists()


def test_a_folder_of_git_inside_the_tree_runs_nothing(clone: Path, mark: Path, data: Path) -> None:
    """The file `.git` may name a folder that the repository itself tracks."""
    program = program_of(clone, mark)
    (clone / ".git").rename(clone / "kept.git")
    (clone / ".git").write_text("gitdir: kept.git\n")
    with (clone / "kept.git" / "config").open("a") as file:
        file.write(f"[core]\n\tfsmonitor = {program}\n")
    all_before_trust(clone, data)
    assert not mark.exists()


def test_settings_of_the_user_are_not_read_either(
    clone: Path, mark: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repository may ask for a filter that the user has, such as that of Git LFS."""
    settings = clone.parent / "settings"
    settings.write_text(f'[filter "lfs"]\n\tclean = {program_of(clone, mark)}\n')
    (clone / ".gitattributes").write_text("* filter=lfs\n")
    commit(clone)
    os.utime(clone / "train.py", (2**31, 2**31))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    all_before_trust(clone, data)
    assert not mark.exists()


# --- files of other kinds ---------------------------------------------------------------------------------------------


class Executes:
    """An object whose pickle runs a program."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"/bin/touch {self.mark}",)


def files_of_every_kind(mark: Path) -> dict[str, bytes]:
    touch = f"import os; os.system('/bin/touch {mark}')\n"
    cell = {"cell_type": "code", "source": [f"!/bin/touch {mark}"], "metadata": {}, "outputs": []}
    texts = {
        **dict.fromkeys(("setup.py", "conftest.py", "sitecustomize.py", "usercustomize.py", "json.py"), touch),
        **dict.fromkeys(("typing.py", "importlib.py", "torch.py", "numpy.py", "yaml.py", "dassl/evil.py"), touch),
        "evil.pth": touch,
        "pyvenv.cfg": "home = .\ninclude-system-site-packages = true\n",
        "Makefile": f"all:\n\t/bin/touch {mark}\n.DEFAULT: all\nX := $(shell /bin/touch {mark})\n",
        "CMakeLists.txt": f"execute_process(COMMAND /bin/touch {mark})\n",
        "Dockerfile": f"RUN /bin/touch {mark}\n",
        ".envrc": f"/bin/touch {mark}\n",
        ".pre-commit-config.yaml": f"repos: [{{repo: local, hooks: [{{id: x, entry: /bin/touch {mark}}}]}}]\n",
        ".lfsconfig": f"[lfs]\n\turl = ext::/bin/touch {mark}\n",
        "pyproject.toml": "[build-system]\nrequires = []\nbuild-backend = 'setup'\nbackend-path = ['.']\n",
        "demo.ipynb": json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}),
        "configs/datasets/evil.yaml": f"NAME: Evil\nX: !!python/object/apply:os.system [/bin/touch {mark}]\n",
    }
    pickled = pickle.dumps(Executes(mark))
    return {name: text.encode() for name, text in texts.items()} | dict.fromkeys(
        ("weights.pkl", "weights.pt", "split.pickle", "array.npy", "checkpoints/model.pth.tar-50"), pickled
    )


def test_no_file_of_any_kind_is_run_or_unpickled(clone: Path, mark: Path, data: Path) -> None:
    for name, content in files_of_every_kind(mark).items():
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        (clone / name).write_bytes(content)
    commit(clone)
    all_before_trust(clone, data)
    assert not mark.exists()


READING = ("methods inspect .", "methods inspect . --trust")


@pytest.mark.parametrize("words", some_fast([*READING, "run -m zero_shot -d spectrum_basic"], set(READING)))
def test_modules_of_the_folder_in_which_one_stands_are_not_imported(words: str, clone: Path, mark: Path) -> None:
    for name in ("json", "signal", "os", "typing", "re", "subprocess", "importlib"):
        (clone / f"{name}.py").write_text(f"open({str(mark)!r}, 'w')\nraise SystemExit(9)\n")
    commit(clone)
    more = ["-b", BACKBONE, "--runs", str(mark.with_name("runs")), "--seeds", "1"] if words.startswith("run") else []
    done = subprocess.run(
        [sys.executable, "-P", "-m", "bench", *words.split(), *more],
        cwd=clone,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr if done.returncode else "") == (0, "")
    assert not mark.exists()


def test_no_interpreter_of_the_code_is_started(clone: Path, mark: Path, tmp_path: Path) -> None:
    python = tmp_path / "env" / "bin" / "python"
    for place in ("bin", "lib/python3.11/site-packages"):
        (tmp_path / "env" / place).mkdir(parents=True)
    python.write_text(f"#!/bin/sh\n/bin/touch {mark}\n")
    python.chmod(0o755)
    (tmp_path / "env/lib/python3.11/site-packages/evil.pth").write_text(f"import os; os.system('touch {mark}')\n")
    inspected(clone, python=python, path=tmp_path / "env")
    assert not mark.exists()


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a\nb.sh", "$(touch mark).sh", "; touch mark;.sh", "--help.sh", "-c.sh", "`x`.sh"])
def test_names_with_any_character_are_names(name: str, clone: Path, data: Path) -> None:
    (clone / name).write_text("python train.py --trainer T\n")
    commit(clone)
    all_before_trust(clone, data)
    fork = Fork.read(clone)
    assert name in fork.files
    assert not list(clone.rglob("mark"))


def test_names_cannot_imitate_other_files(tmp_path: Path) -> None:
    """A name with a line end and a digest in it is not taken for two files."""
    one, other = make_fork(tmp_path / "one"), make_fork(tmp_path / "other")
    (one / "a.txt").write_text("first")
    (one / "b.txt").write_text("second")
    commit(one)
    digest = "a7937b64b8caa58f03721bb6bacf5c78cb235febe0e70b1b84cd99541461a08e"  # of `first`
    (other / f"a.txt {digest}\nb.txt").write_text("second")
    commit(other)
    assert Fork.read(one).tree != Fork.read(other).tree


def index_with(clone: Path, name: str) -> None:
    """Put a file of that name into the index, as git itself would refuse to."""
    placeholder = "x" * len(name)
    (clone / placeholder).write_text("payload")
    git(clone, "add", placeholder)
    index = clone / ".git" / "index"
    content = index.read_bytes()[:-20].replace(placeholder.encode(), name.encode())
    index.write_bytes(content + hashlib.sha1(content).digest())


@pytest.mark.parametrize(
    "name", ["../outside", "a/../../outside", "/tmp/etl-outside", ".git/hooks/pre-push", "a/.GIT/x"]
)
def test_names_outside_of_the_clone_are_refused(name: str, clone: Path) -> None:
    index_with(clone, name)
    with pytest.raises(OfficialCodeError, match=r"no file of|git cannot"):
        Fork.read(clone)
    with pytest.raises(OfficialCodeError):
        inspected(clone)


@pytest.mark.parametrize("target", ["/etc/passwd", "../secret", ".git/config", "/dev/zero", "folder/../../secret"])
def test_links_that_leave_the_repository_are_not_followed(target: str, clone: Path, data: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("NAME: Secret\n")
    (clone / "folder").mkdir()
    (clone / "configs" / "datasets" / "link.yaml").symlink_to(target)
    (clone / "link.py").symlink_to(target)
    commit(clone)
    all_before_trust(clone, data)
    fork = Fork.read(clone)
    assert not {"link.py", "configs/datasets/link.yaml"} & set(fork.files)
    fork.copy_to(tmp_path / "copy")
    assert not (tmp_path / "copy" / "link.py").exists()


@pytest.mark.parametrize(
    "content", [b"ref: ../../secret\n", b"ref: refs/../../secret\n", b"\x00\xff", b"", b"ref: refs/a\n" * 9]
)
def test_a_head_that_names_no_commit_is_refused(content: bytes, clone: Path) -> None:
    (clone.parent / "secret").write_text("0" * 40)
    (clone / ".git" / "HEAD").write_bytes(content)
    with pytest.raises(OfficialCodeError, match="git cannot read"):
        Fork.read(clone)


@pytest.mark.parametrize("part", ["HEAD", "index", "config", "packed-refs"])
def test_a_device_in_the_place_of_a_file_of_git_is_refused(part: str, clone: Path) -> None:
    git(clone, "pack-refs", "--all")
    (clone / ".git" / part).unlink()
    (clone / ".git" / part).symlink_to("/dev/zero")
    with suppress(OfficialCodeError):
        Fork.read(clone)


@pytest.mark.parametrize(
    "content", ["(" * 100_000, "x = " + "-" * 100_000 + "1", "\x00", "def train(task): pass\n" + "[" * 5000]
)
def test_sources_that_cannot_be_parsed_stop_nothing(content: str, clone: Path, data: Path) -> None:
    (clone / "deep.py").write_text(content)
    commit(clone)
    all_before_trust(clone, data)
    with pytest.raises(OfficialCodeError, match="be read|would run|no function"):
        fork_facts(f"adapter:{clone / 'deep.py'}")


def test_settings_of_a_dataset_that_are_empty_lines_are_read_at_once(clone: Path) -> None:
    """A pattern that begins with any white space would take hours here."""
    (clone / "configs" / "datasets" / "empty.yaml").write_text("\n" * 2_000_000)
    commit(clone)
    assert set(Fork.read(clone).dataset_files) == {"EuroSAT", "DescribableTextures"}


# --- trust in another thing -------------------------------------------------------------------------------------------


def sweep_file(folder: Path, *lines: str) -> Path:
    file = folder / "sweep.toml"
    words = ['protocol = "few-shot"', 'datasets = ["eurosat"]', f'backbones = ["{BACKBONE}"]', "shots = [2]"]
    file.write_text("\n".join([*words, *lines]) + "\n")
    return file


@pytest.mark.parametrize("key", ["python", "path", "steps"])
@pytest.mark.parametrize("pattern", ["fork", "adapter", "fork:*", "fork:stand-in/OffsetText"])
def test_trust_in_a_clone_is_no_trust_in_what_a_setting_names(
    key: str, pattern: str, clone: Path, data: Path, tmp_path: Path
) -> None:
    trust(clone)
    place = tmp_path / "place"
    if key == "path":
        place.mkdir()
    else:
        place.write_text("")
    expand(fork_request(clone, data))
    with pytest.raises(OfficialCodeError, match=f"with your rights.*--set fork.{key}={place}"):
        expand(fork_request(clone, data, f"{pattern}.{key}={place}"))


def test_an_innocent_setting_does_not_hide_another(clone: Path, data: Path, tmp_path: Path) -> None:
    good, evil = tmp_path / "good", tmp_path / "evil"
    for file in (good, evil):
        file.write_text("#!/bin/sh\n")
    trust(clone, python=good)
    with pytest.raises(OverrideError, match="'python' is set twice"):
        expand(fork_request(clone, data, f"fork.python={evil}", f"fork:*.python={good}"))


def test_an_adapter_in_a_trusted_clone_is_asked_for(etl, clone: Path, mark: Path, tmp_path: Path) -> None:
    """Neither `-m adapter:` nor a sweep file that names one runs it; both ask in the same words."""
    trust(clone)
    adapter = tmp_path / "evil.py"
    adapter.write_text(f"REPOSITORY = 'clone'\nopen({str(mark)!r}, 'w')\n\n\ndef train(task):\n    return None\n")
    file = sweep_file(tmp_path, f'methods = ["adapter:{adapter}"]')
    runs = ["--runs", str(tmp_path / "runs")]
    typed = ["-m", f"adapter:{adapter}", "-d", "eurosat", "-b", BACKBONE, "--shots", "2", "--protocol", "few-shot"]
    answers = [etl("run", *words, *runs) for words in ([str(file)], typed)]
    assert answers[0] == answers[1]
    assert answers[0][0] != 0
    assert f"etl-bench methods inspect adapter:{adapter} --trust" in answers[0][2]
    assert not mark.exists()


def test_a_sweep_file_asks_for_its_interpreter_like_a_command(etl, clone: Path, mark: Path, tmp_path: Path) -> None:
    trust(clone)
    python = program_of(clone, mark)
    overrides = ", ".join(json.dumps(one) for one in (*SCRIPT, f"fork.python={python}"))
    file = sweep_file(tmp_path, f'methods = ["fork:{clone}"]', f"set = [{overrides}]")
    code, out, err = etl("run", str(file), "--runs", str(tmp_path / "runs"))
    assert (code != 0, out, err.count("\n")) == (True, "", 1)
    assert f"etl-bench methods inspect {clone} --set fork.python={python} --trust" in err
    assert not mark.exists()
