"""`make import`: which resources take over what exists already."""
