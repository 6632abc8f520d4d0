"""A package: its browser, whose event loop is in the way of other tests, ends with it."""
