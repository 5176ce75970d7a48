"""The tables of the page as data: `script/tables.js` draws them like `html.py`."""
