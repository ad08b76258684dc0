"""Targets: the places where workloads run. `spec` is what a stack file says about them; no engine is imported."""
