"""Plants mistakes in the code, one at a time, and counts how many the tests notice."""
