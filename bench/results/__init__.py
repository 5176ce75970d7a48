"""Results on disk: stored, verified, compared, exported and imported."""
