"""Leaderboards in the formats of other projects: Every Eval Ever, model cards of the Hugging Face Hub, and mteb."""
