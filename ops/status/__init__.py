"""`make status`: how a running stack is, at a glance."""
