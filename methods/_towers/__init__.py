"""Exact forward passes of the two towers with prompts and hooks, without repeated work."""
