"""Facts of registered methods as plain values, without loading torch."""
