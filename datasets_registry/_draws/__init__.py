"""From splits to a task: few-shot draws, class halves, support lists and fingerprints."""
