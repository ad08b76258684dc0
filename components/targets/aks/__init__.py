"""A hardened AKS cluster as a target: `target.AksTarget` makes it, the other modules are what it is made of.

Nothing is imported here, so that the pure parts can be used without the Azure SDK.
"""
