"""Runs the tasks of a sweep: one supervisor, with transports for this process, local processes and Ray."""
