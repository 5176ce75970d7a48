"""Runs the tasks of a sweep: one supervisor, and transports to this process, local processes, Ray and Slurm."""
