"""The commands behind `make`, by what they are about; each is a few lines that call what does it."""
