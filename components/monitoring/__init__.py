"""Monitoring of a stack: its parts as workloads, what Prometheus asks, and what a stack file may say (pure)."""
