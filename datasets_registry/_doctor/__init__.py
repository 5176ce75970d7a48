"""Checks of datasets on disk, with a command that fixes each problem (`etl-bench datasets check`)."""
