"""Who changed a stack, when, and how it ended."""
