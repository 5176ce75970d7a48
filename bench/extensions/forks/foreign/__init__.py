"""Files that run in the Python of official code, or beside it; they import nothing of this package."""
