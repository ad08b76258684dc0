"""Turns model weights of one form into another, in a volume. See README.md beside it for plan and output."""
