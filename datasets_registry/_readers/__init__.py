"""Readers of published datasets: split files, class folders and image decoding."""
