"""What boards and predictions say: pairs, standings, quality, difficulty, claims and published numbers. All pure."""
