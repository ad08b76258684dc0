"""What stands between a command and production: a name that is typed, a fresh backup, and what must not be replaced."""
