"""Kills for lack of memory are counted where the system says so."""

from pathlib import Path

from bench.sweep.launch.worker_limits import kills_for_memory


def test_kills_for_memory_are_those_of_this_container_before_those_of_the_machine(tmp_path: Path) -> None:
    own, machine = tmp_path / "memory.events", tmp_path / "vmstat"
    assert kills_for_memory([own, machine]) == 0
    machine.write_text("nr_free_pages 7\noom_kill 5\n")
    assert kills_for_memory([own, machine]) == 5
    own.write_text("low 0\noom 3\noom_kill 2\noom_group_kill 9\n")
    assert kills_for_memory([own, machine]) == 2
    own.write_text("oom_kill many\n")
    assert kills_for_memory([own, machine]) == 5
