"""One real node for the rehearsal's control plane: a kubelet and containerd that run containers on this machine.

The node has mounts, a network and processes of its own, as Linux namespaces: its bridge, its firewall rules, its mounts
and every process of its pods go when the first process of these namespaces ends, however that happens.

Real: kubelet, containerd, runc, kube-proxy, CoreDNS, images, probes, volumes of the node's disk, logs, port forwarding.
Not there: NetworkPolicies are accepted and nothing enforces them; disks of a cloud; load balancers.
"""

from rehearsal.real_node.errors import CannotRun
from rehearsal.real_node.node import RealNode
from rehearsal.real_node.programs import NodePrograms
from rehearsal.real_node.requirements import require

__all__ = ["CannotRun", "NodePrograms", "RealNode", "require"]
