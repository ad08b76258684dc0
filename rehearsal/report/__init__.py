"""What a rehearsal leaves: a table on the screen, a Markdown page, and the same as JSON."""
