"""The code, packages, weights and data of a run, and whether they have changed since."""
