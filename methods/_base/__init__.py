"""What a method is: its interface, facts, recipe, registry and wrappers."""
