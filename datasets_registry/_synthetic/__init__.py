"""Synthetic datasets of controlled difficulty: the training world, the painting functions and the suite."""
