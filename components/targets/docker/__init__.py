"""A Docker engine as a target: `host.DockerHost` realises workloads on it, everything else here is what it is made of.

Nothing is imported here, so that the pure parts can be used without the Pulumi SDK.
"""
