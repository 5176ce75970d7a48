"""Scripts of the maintainers; no part of the installed packages."""
