"""A toolbox with the interface of Dassl, written for the tests."""
