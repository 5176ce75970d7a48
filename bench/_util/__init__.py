"""Small tools that know nothing of experiments: files, locks, interrupts, file names, prefetching."""
