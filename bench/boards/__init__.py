"""A board: a folder of submissions, the static site built from it, and the changes of a new submission."""
