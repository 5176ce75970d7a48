"""The code, packages, weights and data that a run was made with, and whether they have changed since."""
