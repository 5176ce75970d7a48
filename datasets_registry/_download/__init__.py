"""Fetching datasets: sources, mirrors, checksums, resuming and unpacking."""
