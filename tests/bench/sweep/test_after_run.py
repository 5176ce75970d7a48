"""What is called after each run can fail, hang, print or end, and the sweep goes on."""

from __future__ import annotations

import sys
import threading

import pytest

from bench.sweep import AfterRun


def after_run(call, notices, **changes):
    return AfterRun("telling", call, "tell it again", notices.append, **changes)


def test_only_failures_in_a_row_end_it_and_the_first_is_reported():
    seen, notices, failing = [], [], {"a", "b", "d", "e", "f"}

    def call(run_id):
        seen.append(run_id)
        if run_id in failing:
            raise ValueError(f"not\n{run_id}.")

    hook = after_run(call, notices)
    for run_id in "abcdefg":
        hook(run_id)
    assert seen == list("abcdef")
    assert [notice.partition(";")[0] for notice in notices] == ["telling failed (ValueError: not a)"]


def test_a_call_that_hangs_is_left_behind_and_is_the_last():
    released, seen, notices = threading.Event(), [], []

    def call(run_id):
        seen.append(run_id)
        released.wait()

    hook = after_run(call, notices, limit=0.05)
    hook("a")
    hook("b")
    released.set()
    assert (seen, notices) == (["a"], ["telling failed (no answer for 0 s); tell it again"])


def test_a_call_that_ends_the_process_has_failed():
    notices = []
    after_run(lambda _: exit(3), notices)("a")
    assert [notice.partition(";")[0] for notice in notices] == ["telling failed (SystemExit: 3)"]


def test_what_a_call_prints_is_not_part_of_the_result(capsys: pytest.CaptureFixture[str]):
    after_run(lambda run_id: sys.stdout.write(f"sent {run_id}"), [])("a")
    assert capsys.readouterr() == ("", "sent a")
