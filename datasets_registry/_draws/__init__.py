"""Few-shot tasks from splits: draws, class halves, support lists and fingerprints."""
