"""The Python door: run a sweep, load its results, rank, compare and report them. The command line calls these."""
