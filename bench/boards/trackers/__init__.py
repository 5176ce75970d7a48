"""Sends finished runs to experiment trackers: MLflow, Weights & Biases and trackio."""
