"""The Ray launcher on a real cluster on loopback; its nodes are processes that this test starts."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ray = pytest.importorskip("ray", reason="needs Ray, the extra [ray]")

from launching import run_tasks, start_python, statuses, wait_for  # noqa: E402
from patience import PATIENCE  # noqa: E402
from ray_nodes import RayNodes, free_port, kill_tree  # noqa: E402

from bench.errors import BenchError, UsageError  # noqa: E402
from bench.record import RunStatus  # noqa: E402
from bench.results.shards import Shards  # noqa: E402
from bench.sweep.launch import ray_cluster as cluster  # noqa: E402

# the driver is a process of its own: Ray's threads and sockets stay out of this one
DRIVER = """
import json, sys
from pathlib import Path
from bench.context import RunContext
from bench.errors import BenchError
from bench.sweep.launch.tasks import Surroundings
from bench.sweep.launch import ray_cluster
from launching import launch, run_tasks
options = json.loads(sys.argv[1])
context = RunContext(
    cache_dir=Path(options.get("cache", "~/.cache/clip-etl-bench")),
    files={"digest": Path(options["file"])} if "file" in options else {},
    weights={"a.local-1": Path(options["weights"])} if "weights" in options else {},
)
around = Surroundings(runs=Path(options["runs"]), context=context, runner=options.get("runner", "fake_runner"))
tasks = run_tasks(options["seeds"])
say = lambda text: print(text, flush=True)
behaviour, connect = {"FAKE_RUNNER": json.dumps(options.get("behaviour", {}))}, ray_cluster._init
ray_cluster._init = lambda address, env: connect(address, env | {"env_vars": env["env_vars"] | behaviour})
share = options.get("share", [1, 0])
fields = {"address": options["address"], "cpus_per_run": share[0], "gpus_per_run": share[1]}
try:
    calls = {"on_finished": lambda item: say("finished"), "on_notice": say}
    summary = launch(around, options.get("jobs", 0), tasks, method="ray", **fields, **calls)
except BenchError as error:
    sys.exit(f"refused: {error}")
say(json.dumps({"failures": [item.message for item in summary.failures], "interrupted": summary.interrupted}))
"""


def cluster_in(home: Path) -> RayNodes:
    """A cluster whose nodes have a home folder of their own. Ray's tokens are off: these nodes are ours."""
    return RayNodes({"PYTHONPATH": os.pathsep.join(sys.path), "RAY_AUTH_MODE": "disabled", "HOME": str(home)})


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    """A cluster of one node with one core."""
    with cluster_in(tmp_path_factory.mktemp("home")) as nodes:
        nodes.add(1)
        yield nodes


def start(nodes: RayNodes, runs: Path, *, seeds: int, client: bool = False, **options) -> subprocess.Popen[str]:
    address = f"ray://127.0.0.1:{nodes.client_port}" if client else nodes.address
    options |= {"runs": str(runs), "seeds": seeds, "address": address}
    return start_python(DRIVER, json.dumps(options), RAY_AUTH_MODE="disabled")


def end(process: subprocess.Popen[str]) -> tuple[dict, str]:
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, output
    return json.loads(output.strip().splitlines()[-1]), output


def stored(runs: Path, seeds: int) -> list[RunStatus | None]:
    return statuses(runs, run_tasks(seeds))


def test_a_failure_is_a_shard_and_a_worker_that_dies_costs_only_its_run(nodes: RayNodes, tmp_path: Path):
    """The second of the two workers that `jobs` asks for waits for a core until the first gives its own back."""
    process = start(nodes, tmp_path, seeds=4, jobs=2, behaviour={"fail": ["seed 2"], "die": ["seed 3"]})
    summary, _ = end(process)
    assert stored(tmp_path, 4) == [RunStatus.OK, RunStatus.FAILED, RunStatus.FAILED, RunStatus.OK]
    messages = sorted(summary["failures"])
    assert "step 3. Use a smaller recipe.lr." in messages[0]
    assert re.match(r"worker died \(Worker unexpectedly exits.*\) during this run\. The usual reason", messages[1])
    assert summary["interrupted"] is False


@pytest.mark.slow  # the test above starts the same cluster
def test_files_travel_to_nodes_that_have_no_folder_in_common_with_the_driver(tmp_path: Path):
    """From outside, through Ray's client: named files and weights arrive as contents, under names of the node.

    The cluster is its own, since the servers of clients of two clusters take the same port.
    """
    (tmp_path / "list.jsonl").write_text("a support list")
    (tmp_path / "w.safetensors").write_text("weights")
    files = {"file": str(tmp_path / "list.jsonl"), "weights": f"{tmp_path / 'w.safetensors'},quickgelu"}
    cache = "~/nodes-own-cache"
    with cluster_in(tmp_path) as nodes:
        nodes.add(1)
        process = start(nodes, tmp_path / "runs", seeds=1, client=True, runner="paths_runner", cache=cache, **files)
        (message,) = end(process)[0]["failures"]
    assert "'a support list'} weights {'a.local-1'" in message
    assert f"cache {nodes.variables['HOME']}/nodes-own-cache threads 1" in message


@pytest.mark.slow  # the test above starts the same cluster
def test_a_run_larger_than_any_node_is_refused(nodes: RayNodes, tmp_path: Path):
    process = start(nodes, tmp_path, seeds=1, share=[1, 4])
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "its nodes have 1 CPUs and 0 GPUs." in output


@pytest.mark.slow  # the test above starts the same cluster
def test_a_run_without_memory_is_tried_once_more_alone_by_a_new_worker(nodes: RayNodes, tmp_path: Path):
    """One that was killed and one that failed in its training, where two runs share a node."""
    seen = tmp_path / "processes"
    behaviour = {"die": ["seed 2"], "large": ["seed 3"], "processes": str(seen)}
    summary, output = end(start(nodes, tmp_path / "runs", seeds=4, share=[0.5, 0], behaviour=behaviour))
    assert output.count("A Ray worker ended") == 2
    assert len(summary["failures"]) == 2
    assert stored(tmp_path / "runs", 4) == [RunStatus.OK, RunStatus.FAILED, RunStatus.FAILED, RunStatus.OK]
    attempts = [line.rpartition(" ") for line in seen.read_text().splitlines()]
    for seed in (2, 3):
        workers = [process for label, _, process in attempts if label.endswith(f"seed {seed}")]
        assert len(workers) == len(set(workers)) == 2
    after_large = next(process for label, _, process in attempts if label.endswith("seed 3"))
    assert [label for label, _, process in attempts if process == after_large][-1].endswith("seed 3")


@pytest.mark.slow  # the test above starts the same cluster
def test_a_node_killed_in_the_middle_costs_no_run(nodes: RayNodes, tmp_path: Path):
    added = nodes.add(1)
    process = start(nodes, tmp_path, seeds=60, behaviour={"sleep": 0.2})
    for _ in range(10):
        wait_for(process, "finished")
    kill_tree(added.pid)
    summary, output = end(process)
    assert summary == {"failures": [], "interrupted": False}
    assert stored(tmp_path, 60) == [RunStatus.OK] * 60
    assert "Ray node went away" in output


@pytest.mark.slow  # test_ray_errors_are_shortened reads what Ray says then
@pytest.mark.parametrize("client", [False, True])
def test_without_its_head_a_sweep_ends_with_one_line(tmp_path: Path, client: bool):
    with cluster_in(tmp_path) as nodes:
        nodes.add(1)
        process = start(nodes, tmp_path / "runs", seeds=60, behaviour={"sleep": 0.5}, client=client)
        for _ in range(3):
            wait_for(process, "finished")
        kill_tree(nodes.nodes[0].pid)
        output, _ = process.communicate(timeout=PATIENCE)
    *notices, last = [line for line in output.splitlines() if line != "finished"]
    assert re.fullmatch(
        r"refused: The head of the Ray cluster at \S+ no longer answers \(.*\)\. Finished runs are on disk; start the "
        r"cluster again and repeat the command, which resumes\.",
        last,
    )
    assert all(line.startswith(("A Ray node went away", "Log channel is reconnecting")) for line in notices)
    assert len(notices) <= 2
    assert process.returncode == 1
    assert len(Shards(tmp_path / "runs").scan()) >= 3


# --- without a cluster ------------------------------------------------------------------------------------------------


def test_how_many_runs_fit_into_a_node():
    node = {"CPU": 8.0, "GPU": 2.0, "memory": 1e9}
    assert cluster.runs_on(node, 2, 0) == 4
    assert cluster.runs_on(node, 1, 0.5) == 4
    assert cluster.runs_on(node, 1, 0.1) == 8
    assert cluster.runs_on(node, 1, 3) == 0
    assert cluster.runs_on({"CPU": 4.0}, 1, 1) == 0


def test_an_address_that_does_not_respond_is_refused():
    with pytest.raises(BenchError, match="Connection refused.*usually 10001"):
        cluster._probe(f"ray://127.0.0.1:{free_port()}")


@pytest.mark.parametrize("address", ["nowhere", "ray://", "ray://host", "http://host:1", "host:port", ""])
def test_malformed_addresses(address: str):
    with pytest.raises(UsageError, match="use auto, local, ray:"):
        cluster._probe(address)
