"""Names of `reports.presenters` for other rooms."""

from .overview import board_overview as board_overview
from .site import published_site as published_site
from .site import site_view as site_view
