"""Pages from plain values: `reports.views` says what a page shows, `reports.render.render_site` writes it."""
