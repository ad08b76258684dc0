"""What workflows tell GitHub: comments and issues that are edited in place, and which pull requests are open."""
