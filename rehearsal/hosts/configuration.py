"""The configuration files of a host's programs (pure)."""

from __future__ import annotations

import json

from rehearsal.hosts.inside import USER

SSH_PORT = 22
HOST_KEY = "/etc/ssh/ssh_host_ed25519_key"
AUTHORIZED_KEYS = f"/home/{USER}/.ssh/authorized_keys"

SSHD = f"""\
Port {SSH_PORT}
HostKey {HOST_KEY}
AuthenticationMethods publickey
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin no
UsePAM no
AllowUsers {USER}
X11Forwarding no
UseDNS no
"""
"""What a hardened server has; forwarding is left at its default, which is allowed."""

FIREWALL = (
    ("-P", "INPUT", "DROP"),
    ("-A", "INPUT", "-i", "lo", "-j", "ACCEPT"),
    ("-A", "INPUT", "-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "-j", "ACCEPT"),
    ("-A", "INPUT", "-p", "icmp", "-j", "ACCEPT"),
    ("-A", "INPUT", "-p", "tcp", "--dport", str(SSH_PORT), "-j", "ACCEPT"),
)
"""Arguments of iptables: everything is refused but SSH, as ufw does it. Ports that Docker publishes go past it."""


CONTAINERD = """\
version = 2
disabled_plugins = ["io.containerd.grpc.v1.cri"]
"""
"""containerd's config.toml: as packages for Docker have it, without what only Kubernetes uses."""


def daemon(cgroup: str) -> str:
    """Docker's daemon.json."""
    return json.dumps({"cgroup-parent": f"/{cgroup}"}, indent=1)
