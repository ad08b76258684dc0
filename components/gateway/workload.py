"""The gateway as a workload: what any target needs to run it."""

from __future__ import annotations

from collections.abc import Sequence

from components.gateway.render import DOCKER_RESOLVER, INTERNAL_PORT, NAME, PORT, render
from components.gateway.route import Route
from components.gateway.settings import KEYS_SECRET, Gateway
from components.workload import FILES_DIRECTORY, File, Image, Probe, Resources, SecretFile, Workload

_CONFIG = "haproxy.cfg"

# Bash is in Debian's HAProxy image and in the official one; curl is in neither.
_HEALTH = (
    f"exec 3<>/dev/tcp/127.0.0.1/{INTERNAL_PORT} && printf 'GET /healthz HTTP/1.0\\r\\n\\r\\n' >&3"
    ' && read -r -t 3 _ status _ <&3 && [ "$status" = 200 ]'
)


def workload(
    gateway: Gateway,
    routes: Sequence[Route],
    image: Image,
    resolver: str | None = DOCKER_RESOLVER,
    *,
    called_inside: bool = False,
    log_contents: bool = False,
) -> Workload:
    """The gateway in front of `routes`. `resolver`, `called_inside` and `log_contents` as in `render`.

    SIGUSR2 makes it read its files again without dropping a connection: old and new keys, routes and certificates
    swap at one instant, and running answers finish in the old process. Counters of limits start anew then.
    Raises ValueError as `render` does.
    """
    secrets = [SecretFile(name="keys.map", secret=KEYS_SECRET)]
    if gateway.tls:
        secrets.append(SecretFile(name="tls.pem", secret=gateway.tls.certificate))
        secrets.append(SecretFile(name="tls.pem.key", secret=gateway.tls.key))
    text = render(gateway, routes, resolver, called_inside=called_inside, log_contents=log_contents)
    files = [File(name=_CONFIG, content=text)]
    for route in routes:
        if upstream := route.upstream:
            if upstream.secret:
                secrets.append(SecretFile(name=upstream.key_name(route.name), secret=upstream.secret))
            if upstream.ca_certificates:
                files.append(File(name=upstream.ca_name(route.name), content=upstream.ca_certificates))
    return Workload(
        name=NAME,
        image=image,
        command=("haproxy",),
        args=("-W", "-db", "-f", f"{FILES_DIRECTORY}/{_CONFIG}"),
        files=tuple(files),
        secrets=tuple(secrets),
        egress=any(route.upstream for route in routes),
        port=PORT,
        probe=Probe(command=("bash", "-c", _HEALTH), interval=5, timeout=5, retries=3, startup=30),
        resources=Resources(memory_mib=gateway.memory_mib, cpus=gateway.cpus, pids=128),
        reload_signal="SIGUSR2",
        stop_signal="SIGUSR1",  # SIGTERM would cut running answers off
        drain=gateway.drain_seconds,
    )
