"""Views of the page from results, one module per section; the only adapter between `bench` and `reports`."""

from bench.presenters.catalogue import Catalogue, registered
from bench.presenters.published import published_site
from bench.presenters.site import site_view

__all__ = ["Catalogue", "published_site", "registered", "site_view"]
