"""`make pin`: digests and commits that are missing, looked up and written down."""
