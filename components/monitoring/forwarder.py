"""The forwarder: takes what Prometheus hands on, keeps it on disk while the way out is cut, and sends it after (pure).

It is VictoriaMetrics' vmagent. Prometheus itself would keep two hours of what it could not send, and nothing over a new
start.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from components.monitoring.forward import Forward
from components.monitoring.probe import http_probe
from components.workload import FILES_DIRECTORY, File, Image, Resources, SecretFile, Volume, Workload

NAME = "forwarder"
PORT = 8429
VOLUME = "forwarder-data"
DATA = "/forwarder"

SECRET = "forward-secret"  # noqa: S105 - the file's name
CERTIFICATES = "forward-ca.pem"

CHUNK_GIB = 0.6
"""The buffer is freed in files of half a GiB, each once all of it is sent."""


def workload(forward: Forward, image: Image) -> Workload:
    """The forwarder, which reads its credential from a file each second (control 54)."""
    secret, certificates = forward.secret, forward.ca_certificates
    return Workload(
        name=NAME,
        image=image,
        args=(
            f"-httpListenAddr=:{PORT}",
            f"-remoteWrite.url={forward.url}",
            f"-remoteWrite.tmpDataPath={DATA}",
            f"-remoteWrite.maxDiskUsagePerURL={round(forward.buffer_gib * 1024)}MiB",
            # What is on its way when the power goes is lost: one block, and not one of each of several queues.
            "-remoteWrite.queues=1",
            # Its own form of the protocol is tried by sending, and all that waits would go over a bad link twice.
            "-remoteWrite.forcePromProto=true",
            "-enableMetadata=false",
            "-loggerLevel=WARN",
            *_signing_in(forward),
        ),
        files=(File(name=CERTIFICATES, content=certificates),) if certificates else (),
        secrets=(SecretFile(name=SECRET, secret=secret),) if secret else (),
        volumes=(Volume(name=VOLUME, path=DATA, read_only=False, size_gib=forward.buffer_gib + CHUNK_GIB, keep=True),),
        port=PORT,
        probe=http_probe(PORT, "/health"),
        resources=Resources(memory_mib=128, cpus=0.5, pids=64),
        egress=True,
        reload_signal="SIGHUP",
        # It writes down what it holds in memory, and waits five seconds for what is on its way.
        drain=20,
    )


def _signing_in(forward: Forward) -> Iterator[str]:
    if forward.ca_certificates:
        yield f"-remoteWrite.tlsCAFile={FILES_DIRECTORY}/{CERTIFICATES}"
    if forward.token_secret:
        yield f"-remoteWrite.bearerTokenFile={FILES_DIRECTORY}/{SECRET}"
    if forward.username:
        yield f"-remoteWrite.basicAuth.username={forward.username}"
        yield f"-remoteWrite.basicAuth.passwordFile={FILES_DIRECTORY}/{SECRET}"


def remote_write(forward: Forward, address: str, every: str) -> dict[str, Any]:
    """What Prometheus is told of the forwarder at `address` (`host:port`); `every` is how often it has new samples.

    One request in that time, because on a bad link each costs more than the samples in it.
    """
    return {
        "name": NAME,
        "url": f"http://{address}/api/v1/write",
        "write_relabel_configs": [
            {"source_labels": ["__name__"], "regex": "|".join(forward.series), "action": "keep"},
        ],
        # Names and help texts of all metrics, once a minute.
        "metadata_config": {"send": False},
        "queue_config": {"max_shards": 1, "batch_send_deadline": every},
    }
