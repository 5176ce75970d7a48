"""Small tools that do not depend on experiments: files, locks, interrupts, file names, prefetching."""
