"""The tables of the page as data, which `script/tables.js` renders, and the plain map for readers without scripts."""
