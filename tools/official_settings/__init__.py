"""Reads official settings from the repositories of the methods, with file and line of each value."""
