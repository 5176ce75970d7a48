"""A board: a folder of submissions, the static site that is built from it, and what a new submission changes."""
