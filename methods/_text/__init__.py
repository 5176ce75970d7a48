"""Words and tokens: class texts, templates, tokenised prompts."""
