"""`make bundle`: all that a stack takes in one signed archive, for machines without a network."""
