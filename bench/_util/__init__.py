"""Small tools without any knowledge of experiments: files, locks, interrupts, names."""
