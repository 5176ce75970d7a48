"""Checks a dataset on disk and says what is wrong and how to repair it."""
