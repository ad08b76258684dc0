"""`make report`: one page about the last hours of a stack, for people without Grafana."""
