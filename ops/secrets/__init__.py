"""Keys and other secrets: made, given by a person, rotated, and put into a vault."""
