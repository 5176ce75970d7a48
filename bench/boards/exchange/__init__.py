"""Leaderboards in the formats of other projects: Every Eval Ever, and model cards of the Hugging Face Hub."""
