"""The tables of the page as data: `script/tables.js` renders them like `html.py`."""
