"""Fetches the weights of one model into a volume and verifies them. See README.md beside it for plan and output."""
