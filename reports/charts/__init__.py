"""Charts as Vega-Lite specifications, and as static SVG for readers without script."""
