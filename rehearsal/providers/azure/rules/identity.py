"""What Azure refuses of federated credentials and role assignments (pure)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from rehearsal.providers.azure.failures import Failure
from rehearsal.providers.azure.rules.names import NAMES
from rehearsal.providers.azure.values import Properties, at, known

_GUID = NAMES["authorization:RoleAssignment"][0]


@cache
def roles() -> dict[str, str]:
    """Names of Azure's built-in roles by GUID, as far as the simulation knows them."""
    return tomllib.loads((Path(__file__).parent.parent / "roles.toml").read_text())


def federated_credential(inputs: Properties) -> Iterator[Failure]:
    """An issuer, a subject and one audience."""
    for path in ("issuer", "subject", "audiences"):
        if not at(inputs, path):
            yield Failure(
                path, "Federated Identity Credential must specify 'issuer', 'subject' and 'audience' (BadRequest)."
            )
    audiences, issuer = known(inputs, "audiences"), known(inputs, "issuer")
    if isinstance(audiences, list) and len(audiences) > 1:
        yield Failure("audiences", "Federated Identity Credential takes exactly one audience (BadRequest).")
    if isinstance(issuer, str) and issuer and not issuer.startswith("https://"):
        yield Failure("issuer", f"'{issuer}' is no issuer: it is a URL with https:// (BadRequest).")
    subject = known(inputs, "subject")
    account = r"system:serviceaccount:[a-z0-9-]{1,63}:[a-z0-9.-]{1,253}"
    if isinstance(subject, str) and subject.startswith("system:") and not re.fullmatch(account, subject):
        yield Failure("subject", f"'{subject}' names no service account: system:serviceaccount:NAMESPACE:NAME.")


def role_assignment(inputs: Properties) -> Iterator[Failure]:
    """A principal and a role that are named as such."""
    principal, role = known(inputs, "principalId"), known(inputs, "roleDefinitionId")
    if isinstance(principal, str) and not re.fullmatch(_GUID, principal):
        yield Failure("principalId", f"The principal ID '{principal}' is not valid: it is a GUID (InvalidPrincipalId).")
    if not isinstance(role, str):
        return
    found = re.fullmatch(
        rf"(/subscriptions/{_GUID})?/providers/Microsoft\.Authorization/roleDefinitions/(?P<id>{_GUID})", role
    )
    if not found:
        why = (
            f"'{role}' is no role definition: /subscriptions/…/providers/Microsoft.Authorization/roleDefinitions/GUID."
        )
        yield Failure("roleDefinitionId", why)
    elif found["id"].lower() not in roles():
        why = f"The specified role definition with ID '{found['id']}' does not exist (RoleDefinitionDoesNotExist)."
        yield Failure("roleDefinitionId", f"{why} This simulation knows the roles of roles.toml.")
