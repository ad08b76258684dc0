"""The acts of a life, in the order they are played."""

from rehearsal.life.acts import beginning, change, cost, drift, end, faults, running, scale, verify, watching
from rehearsal.life.stage import Act

ACTS: tuple[Act, ...] = (
    *beginning.ACTS,
    *verify.ACTS,
    *watching.ACTS,
    beginning.UNCHANGED,
    *cost.ACTS,
    *change.ACTS,
    running.ROTATION,
    *scale.ACTS,
    running.DRAIN,
    *faults.ACTS,
    *drift.ACTS,
    *end.ACTS,
)
