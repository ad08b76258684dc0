"""An edge site's Prometheus and forwarder, and the store beyond it: real containers, hardened as a target's are."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import httpx
import yaml
from docker.models.containers import Container
from rich.console import Console

from components.catalog import catalog
from components.monitoring import forwarder, prometheus
from components.monitoring.forward import Forward
from components.monitoring.probe import http_probe
from components.monitoring.settings import Monitoring
from components.workload import FILES_DIRECTORY, File, Resources, Volume, Workload
from ops.images.build import Builder
from tests.docker.certificates import Certificate, self_signed
from tests.docker.container_harness import PREFIX, container, health, volume
from tests.docker.project import free_port

USER = "berlin-1"
PASSWORD = "pass-of-the-centre"
HASH = "$2b$04$abcdefghijklmnopqrstuul.VyAOk/lqohyX9IdY34Aohoc3HibwO"
STACK = "edge.berlin-1"
EVERY = 5
CLOCK = "slm:clock_seconds"
"""A recorded series whose value is the time of its sample."""

RULES = {
    "groups": [
        {
            "name": "test",
            "rules": [
                {"record": CLOCK, "expr": "time()"},
                {"alert": "Always", "expr": "vector(1)"},
            ],
        }
    ]
}

Samples = dict[float, float]


@dataclass(frozen=True)
class Site:
    """The three of them, and where the two Prometheus answer this process."""

    centre: Container
    forwarder: Container
    prometheus: Container
    near: httpx.Client
    far: httpx.Client

    def cut(self) -> None:
        """Nobody answers at the store's address."""
        self.centre.stop(timeout=20)

    def mend(self) -> None:
        """The store answers again."""
        self.centre.start()
        health(self.centre, "healthy", 120)

    def arrived(self, until: float, seconds: float = 240) -> None:
        """Wait until the store has samples of that time. Fails the test otherwise."""
        end = time.monotonic() + seconds
        while max(samples(self.far, CLOCK), default=0) < until:
            assert time.monotonic() < end, f"nothing of {until} after {seconds} s: {self.forwarder.logs(tail=5)!r}"
            time.sleep(1)


def samples(client: httpx.Client, expression: str) -> Samples:
    """Every sample of the last ten minutes, by its time. The expression must stand for one series or for none."""
    found = ask(client, f"{expression}[10m]")
    assert len(found) <= 1, found
    return {float(at): float(value) for at, value in found[0]["values"]} if found else {}


def ask(client: httpx.Client, expression: str, at: float | None = None) -> list[dict[str, Any]]:
    """What a Prometheus answers now, or at a time."""
    asked = {"query": expression, **({"time": str(at)} if at else {})}
    answer = client.get("/api/v1/query", params=asked)
    assert answer.status_code == 200, answer.text
    result: list[dict[str, Any]] = answer.json()["data"]["result"]
    return result


@contextmanager
def site(folder: Path) -> Iterator[Site]:
    """A site whose store answers by TLS, with a certificate of its own and a password."""
    client = docker.from_env()
    images = _images(client)
    network, ports = f"{PREFIX}-forward", (free_port(), free_port())
    certificate = self_signed(folder, f"DNS:{PREFIX}-centre")
    forward = Forward(
        url=f"https://{PREFIX}-centre:9090/api/v1/write",
        username=USER,
        password_secret="centre-password",
        ca_certificates=certificate.pem,
        buffer_gib=0.5,
    )
    with ExitStack() as stack:
        stack.callback(client.close)
        made = client.networks.create(network)
        stack.callback(made.remove)

        def start(workload: Workload, name: str, port: int | None = None) -> Container:
            published = {"ports": {"9090/tcp": ("127.0.0.1", port)}} if port else {}
            names = {v.name: f"{PREFIX}-{name}-{v.name}" for v in workload.volumes}
            for own in workload.volumes:
                stack.enter_context(volume(client, names[own.name], workload.image, own.path))
            running = stack.enter_context(container(client, workload, f"{PREFIX}-{name}", names, network, **published))
            running.start()
            return running

        centre = start(_centre(images["prometheus"], certificate), "centre", ports[0])
        health(centre, "healthy", 120)
        sends = start(_forwarder(forward, images["vmagent"]), "forwarder")
        health(sends, "healthy", 120)
        watches = start(_prometheus(forward, images["prometheus"]), "site", ports[1])
        health(watches, "healthy", 120)
        near = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{ports[1]}", timeout=60))
        # The certificate is of another name than this process calls it by.
        far = stack.enter_context(
            httpx.Client(base_url=f"https://127.0.0.1:{ports[0]}", auth=(USER, PASSWORD), verify=False, timeout=60)
        )
        yield Site(centre, sends, watches, near, far)


def _images(client: docker.DockerClient) -> dict[str, str]:
    builder, rows = Builder(client, Console(quiet=True)), catalog().images
    return {r: builder.present(r, rows[r]) or builder.build(r, rows[r]) for r in ("prometheus", "vmagent")}


def _centre(image: str, certificate: Certificate) -> Workload:
    """A Prometheus that takes remote write, also what is older than the newest it has: what waited comes late."""
    web = {
        "tls_server_config": {
            "cert_file": f"{FILES_DIRECTORY}/certificate.pem",
            "key_file": f"{FILES_DIRECTORY}/key.pem",
        },
        "basic_auth_users": {USER: HASH},
    }
    config = {"storage": {"tsdb": {"out_of_order_time_window": "30d"}}}
    return Workload(
        name="centre",
        image=image,
        args=(
            f"--config.file={FILES_DIRECTORY}/prometheus.yml",
            f"--web.config.file={FILES_DIRECTORY}/web.yml",
            f"--storage.tsdb.path={prometheus.DATA}",
            "--web.enable-remote-write-receiver",
        ),
        files=(
            File(name="prometheus.yml", content=yaml.safe_dump(config)),
            File(name="web.yml", content=yaml.safe_dump(web)),
            File(name="certificate.pem", content=certificate.pem),
            File(name="key.pem", content=certificate.key.read_text()),
        ),
        volumes=(Volume(name="data", path=prometheus.DATA, read_only=False, size_gib=1, keep=True),),
        port=prometheus.PORT,
        # It answers nobody without the password.
        probe=http_probe(prometheus.PORT, "/-/ready").model_copy(
            update={"command": ("bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{prometheus.PORT}"), "interval": 1}
        ),
        resources=Resources(memory_mib=256, cpus=1),
    )


def _forwarder(forward: Forward, image: str) -> Workload:
    """As it is deployed, but for its secret, which the harness knows as a file only."""
    workload = forwarder.workload(forward, image)
    secret = File(name=forwarder.SECRET, content=PASSWORD)
    return workload.model_copy(update={"files": (*workload.files, secret), "secrets": ()})


def _prometheus(forward: Forward, image: str) -> Workload:
    """As it is deployed, with one rule, one alert and itself to ask."""
    monitoring = Monitoring(target="laptop", scrape_seconds=EVERY, forward=forward)
    jobs = [{"job_name": "prometheus", "static_configs": [{"targets": [f"127.0.0.1:{prometheus.PORT}"]}]}]
    rules = [File(name="rules.yml", content=yaml.safe_dump(RULES))]
    told = prometheus.Around(f"{PREFIX}-nobody:9093", f"{PREFIX}-forwarder:{forwarder.PORT}")
    return prometheus.workload(monitoring, jobs, rules, told, STACK, image)
