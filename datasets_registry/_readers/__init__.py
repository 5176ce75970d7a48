"""Readers of published layouts: split files, class folders and image decoding."""
