"""From frames and registries to report views, a module per section: the one adapter between harness and pages."""

from bench.presenters.catalogue import Catalogue, DatasetFacts, MethodFacts, registered
from bench.presenters.published import published_site
from bench.presenters.site import site_view

__all__ = ["Catalogue", "DatasetFacts", "MethodFacts", "published_site", "registered", "site_view"]
