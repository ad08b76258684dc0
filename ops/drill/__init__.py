"""`make drill`: faults that are really caused in a running stack, and what came of each."""
