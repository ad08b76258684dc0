"""Server programs that this project writes itself; each runs in an image of its own."""
