"""Runs the tasks of a sweep: one supervisor, and transports to this process, local processes, Ray and Slurm."""

from __future__ import annotations
