"""What every engine must do alike behind the gateway, whatever it is: checks with the official client."""

from tests.conformance import answers, connections, fields, limits, refusals, streams, tools
from tests.conformance.registry import CHECKS
from tests.conformance.target import Target

__all__ = ["CHECKS", "Target", "answers", "connections", "fields", "limits", "refusals", "streams", "tools"]
