"""What goes wrong with Azure, as documents tell of it: each is met in the rehearsal and overcome by its way out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Trouble:
    """A fault as documents tell of it: the word in Azure's answer, what it means, and the way out."""

    name: str
    word: str
    means: str
    way_out: str


TROUBLES = {
    trouble.name: trouble
    for trouble in (
        Trouble(
            "sku",
            "SkuNotAvailable",
            "the region, or this subscription in it, has not the pool's VM size",
            "give the pool another vm_size (az vm list-skus --location REGION), then pulumi up",
        ),
        Trouble(
            "quota",
            "ErrCode_InsufficientVCPUQuota",
            "the subscription may not have so many vCPUs of this family",
            "ask for more quota (aka.ms/quota) or give the pool fewer or other nodes, then pulumi up",
        ),
        Trouble(
            "conflict",
            "Status=409",
            "something else is being changed on the same resource at this moment",
            "wait until it has ended, then pulumi up",
        ),
        Trouble("slow", "", "Azure takes its time; nothing is wrong", "wait: the command waits as well"),
        Trouble(
            "token",
            "ExpiredAuthenticationToken",
            "the login ended while the deployment ran",
            "az login, then pulumi up: what was made is known",
        ),
        Trouble(
            "locked",
            "ScopeLocked",
            "a management lock keeps the resource from being deleted",
            "az lock delete, then pulumi destroy again",
        ),
        Trouble(
            "half-created",
            "provisioningState Failed",
            "Azure made the resource, and its provisioning failed half-way",
            "pulumi up again: it goes on with what is there",
        ),
    )
}
