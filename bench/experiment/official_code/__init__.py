"""Runs whose code is not ours: predictions from files, and official repositories that are run unmodified."""
