"""Capabilities beside the benchmark. Each folder has all of one, and the harness works without it."""
