"""Builds the pages of the report and their thumbnails."""
