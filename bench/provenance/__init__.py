"""With which code, packages, weights and data a run was made, and whether that still holds."""
