"""Charts as SVG: for readers without JavaScript, and as figures for papers."""
