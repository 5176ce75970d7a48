"""The map of the first screen: methods by datasets from easy to hard, with the band above it."""
