"""A Kubernetes cluster as a target: `cluster.KubernetesCluster` realises workloads on it, the rest is what it is of.

Nothing is imported here, so that the pure parts can be used without the Pulumi SDK.
"""
