"""`make backup` and `make restore`: what a stack keeps, in one file on this machine and back again."""
