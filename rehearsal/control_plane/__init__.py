"""A real Kubernetes control plane on loopback whose nodes, disks and load balancers are simulated.

Real: etcd, API server with admission, controller manager, scheduler. Simulated: nodes (no kubelet, no container ever
runs), the cloud's disks, load balancers and cluster autoscaler. NetworkPolicies are accepted and not enforced.
"""

from rehearsal.control_plane.errors import ControlPlaneError, MissingProgram, PortTaken, ProcessEnded
from rehearsal.control_plane.plane import ControlPlane
from rehearsal.control_plane.pools import SimulatedPool
from rehearsal.control_plane.programs import Programs
from rehearsal.control_plane.timing import Timing

__all__ = [
    "ControlPlane",
    "ControlPlaneError",
    "MissingProgram",
    "PortTaken",
    "ProcessEnded",
    "Programs",
    "SimulatedPool",
    "Timing",
]
