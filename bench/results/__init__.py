"""The answers on disk, and what is done with them: kept, checked, compared, given away and taken in."""
