"""Forward passes through the two towers with prompts and hooks, exact and without repeated work."""
