"""What an AKS cluster may be elsewhere and not in production (pure)."""

from __future__ import annotations

from components.targets.spec.aks import Aks, Protect, Retain


def production_problems(spec: Aks) -> list[str]:
    """What is allowed elsewhere and refused in production, each as "what — fix"."""
    found = []
    if spec.tier == "Free":
        found.append("tier: Free has no promised uptime (control 60) — tier: Standard or Premium")
    if spec.vault is None:
        found.append("secrets would lie in the cluster and in the stack's state (control 65) — add vault")
    elif not spec.vault.purge_protection:
        found.append("vault.purge_protection: off, one mistake loses every secret (control 62) — switch it on")
    if not spec.admin_group_ids:
        found.append("admin_group_ids is empty, so nobody could administer the cluster (control 56) — add a group")
    for kind in Protect.model_fields:
        if not getattr(spec.protect, kind):
            found.append(f"protect.{kind}: false, one command would delete it (control 67) — protect it")
    for kind in Retain.model_fields:
        if not getattr(spec.retain, kind):
            found.append(f"retain.{kind}: false, it would go with the stack (control 67) — retain it")
    for name, pool in spec.pools.items():
        if pool.mode == "system" and pool.min_nodes < 2:
            found.append(f"pools.{name}: one system node, one failure stops the cluster — min_nodes: 2 or more")
    return found
