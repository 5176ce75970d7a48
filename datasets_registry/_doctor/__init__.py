"""The doctor: checks of datasets on disk, with a command that fixes each problem."""
