"""Measurements of set-up, deployment and gateway (`make bench-deploy`); nothing of the product imports this."""
