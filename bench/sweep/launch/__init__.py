"""Runs the tasks of a sweep: the loop of every worker, a pool of local workers around it, and Ray."""
