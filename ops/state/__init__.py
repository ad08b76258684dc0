"""Copies of what Pulumi knows of a stack, and putting one back."""
