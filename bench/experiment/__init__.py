"""Carries out one experiment, from its spec to its record: task, training, evaluation, difficulty, features."""
