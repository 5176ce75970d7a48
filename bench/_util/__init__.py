"""Small tools that do not depend on experiments: words, memory, interrupts, prefetching."""
