"""Builds the report site: pages, data of the run browser, thumbnails, and the development server."""
