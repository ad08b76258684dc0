"""How Azure refuses something, in the words azure-native prints.

Codes and sentences are those that Azure's users quote in public issues, as far as one was found; the rest of the
wording is ours. azure-native 3 prints them as `Status=409 Code="…" Message="…"`.
"""

from __future__ import annotations

from typing import Any


class ArmError(Exception):
    """An answer of Azure that says no. `status` is the HTTP status, `code` what programs look for."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status, self.code, self.message = status, code, message
        super().__init__(f'Status={status} Code="{code}" Message="{message}"')


class PartlyDone(Exception):
    """A resource that exists although its creation or update failed half-way.

    `outputs` is what is there now; the next deployment goes on from it.
    """

    def __init__(self, arm_id: str, outputs: dict[str, Any], cause: ArmError) -> None:
        self.arm_id, self.outputs, self.cause = arm_id, outputs, cause
        super().__init__(str(cause))


class PluginError(Exception):
    """What azure-native refuses by itself, before Azure is asked, or what this stand-in of it does not know."""


def bad_request(message: str, code: str = "BadRequest") -> ArmError:
    """Azure's 400."""
    return ArmError(400, code, message)


def conflict(code: str, message: str) -> ArmError:
    """Azure's 409."""
    return ArmError(409, code, message)


def not_found(code: str, message: str) -> ArmError:
    """Azure's 404."""
    return ArmError(404, code, message)


def property_change(name: str) -> ArmError:
    """Azure's answer to a change of a property that is fixed once the resource exists."""
    return bad_request(f"Changing property 'properties.{name}' is not allowed.", "PropertyChangeNotAllowed")
