"""What people and CI run: deploy, check, pin, smoke test; `python -m ops` lists the commands."""
