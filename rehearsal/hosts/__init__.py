"""Edge hosts on this machine: each with its own SSH server, Docker engine, firewall and disk, on a network with faults.

with Fleet(["berlin-1", "berlin-2", "oslo-1"]) as fleet:
    fleet["oslo-1"].address
"""

from rehearsal.hosts import faults
from rehearsal.hosts.errors import HostError
from rehearsal.hosts.fleet import Fleet
from rehearsal.hosts.host import Host
from rehearsal.hosts.quality import Quality
from rehearsal.hosts.requirements import require
from rehearsal.real_node.errors import CannotRun

__all__ = ["CannotRun", "Fleet", "Host", "HostError", "Quality", "faults", "require"]
