"""Synthetic datasets of controlled difficulty: the training world, the drawing functions and the suite."""
