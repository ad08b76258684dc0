"""Whether a stack is ready for production: the checklist as checks that are executed."""
