"""Names of `bench.presenters` for other folders of `bench`."""

from .catalogue import Catalogue as Catalogue
from .catalogue import registered as registered
from .overview import board_overview as board_overview
from .published import published_site as published_site
from .site import site_view as site_view
