"""Facts of registered methods as plain values, and digests of their code, without loading torch."""
