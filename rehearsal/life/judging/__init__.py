"""Whether what is there is what must be there: pure functions on plain objects, so that each can be shown to fail."""
