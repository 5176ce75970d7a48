"""Measures how much faster this benchmark is than a plain implementation: `make perf`, and on a GPU `make gpu`."""
