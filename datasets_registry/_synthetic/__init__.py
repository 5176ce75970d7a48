"""Drawn images of controlled difficulty: the world, the drawing and the suite."""
