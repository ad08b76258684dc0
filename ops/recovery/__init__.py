"""What an earlier run or a hand has left behind, found before a deployment, and mended where that is sure to be right.

A killed deployment leaves Pulumi's lock, operations of unknown outcome, and containers Pulumi does not know. A hand
removes or stops containers, which `pulumi up` alone would not notice.
"""

from ops.recovery.before import recover, settle
from ops.recovery.by_hand import repair
from ops.recovery.containers import half_done, stop_waiting, sweep, swept
from ops.recovery.pulumi_locks import Lock, locks, pulumi_runs, release_lock
from ops.recovery.state import KINDS, Known, Operation, operations

__all__ = [
    "KINDS",
    "Known",
    "Lock",
    "Operation",
    "half_done",
    "locks",
    "operations",
    "pulumi_runs",
    "recover",
    "release_lock",
    "repair",
    "settle",
    "stop_waiting",
    "sweep",
    "swept",
]
