"""Charts as SVG: pictures for readers without script, and figures for papers."""
