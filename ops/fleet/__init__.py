"""Commands over a whole fleet: each host is a stack of its own, and what is here goes over all of them in order."""
