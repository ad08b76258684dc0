"""A release of this project: its version, what is in it, and what newer versions of its parts there are."""
