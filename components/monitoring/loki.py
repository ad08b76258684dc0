"""Loki: keeps the lines that containers write, for a time and up to a size (pure)."""

from __future__ import annotations

from typing import Any

import yaml

from components.monitoring.settings import Monitoring, Retention
from components.workload import FILES_DIRECTORY, File, Image, Probe, Resources, Scratch, Volume, Workload

NAME = "loki"
PORT = 3100
VOLUME = "loki-data"
DATA = "/loki"

COMPRESSION = 5
"""How many times smaller lines lie on the disk than they came: containers' lines were seen at 6 to 12 times."""

BURST_MIB = 16
"""What may come in at once, such as all that was written while Loki was away."""

LABELS = ("workload", "stream")
"""What lines are looked up by. Everything else stays beside the line: each value of a label is a file of its own."""


def workload(monitoring: Monitoring, image: Image) -> Workload:
    """Loki as one process on one volume. It has no users: nobody outside the stack reaches it."""
    kept = monitoring.retention
    return Workload(
        name=NAME,
        image=image,
        args=(f"-config.file={FILES_DIRECTORY}/loki.yml", "-target=all"),
        # Go would let garbage grow to as much as is in use before it collects it, and a flood of lines was its end.
        env={"GOMEMLIMIT": f"{monitoring.loki_mib * 3 // 4}MiB"},
        files=(File(name="loki.yml", content=configuration(kept)),),
        volumes=(Volume(name=VOLUME, path=DATA, read_only=False, size_gib=kept.logs_volume_gib, keep=True),),
        scratch=(Scratch(path="/tmp", size_mib=64),),  # noqa: S108
        port=PORT,
        # Loki's image has nothing but Loki, which can ask itself.
        probe=Probe(
            command=("/usr/bin/loki", "-health", f"-health.url=http://127.0.0.1:{PORT}/ready"),
            interval=15,
            timeout=6,
            retries=4,
            startup=120,
        ),
        resources=Resources(memory_mib=monitoring.loki_mib, cpus=1, pids=128),
        # It writes what it holds in memory down.
        drain=60,
    )


def configuration(kept: Retention) -> str:
    """Its configuration file."""
    rate = ingestion_mib_per_second(kept)
    document: dict[str, Any] = {
        "auth_enabled": False,
        "analytics": {"reporting_enabled": False},
        # One process speaks gRPC with itself only.
        "server": {"http_listen_port": PORT, "grpc_listen_address": "127.0.0.1", "log_level": "warn"},
        "common": {
            "instance_addr": "127.0.0.1",
            "path_prefix": DATA,
            "replication_factor": 1,
            "ring": {"kvstore": {"store": "inmemory"}},
            "storage": {"filesystem": {"chunks_directory": f"{DATA}/chunks", "rules_directory": f"{DATA}/rules"}},
        },
        "schema_config": {
            "configs": [
                {
                    "from": "2026-01-01",
                    "store": "tsdb",
                    "object_store": "filesystem",
                    "schema": "v13",
                    "index": {"prefix": "index_", "period": "24h"},
                }
            ]
        },
        "limits_config": {
            "retention_period": f"{kept.logs_days * 24}h",
            # What would be kept is taken, also when it comes late; by itself it refuses what is older than a week.
            "reject_old_samples_max_age": f"{kept.logs_days * 24}h",
            "ingestion_rate_mb": rate,
            "ingestion_burst_size_mb": BURST_MIB,
            "per_stream_rate_limit": f"{BURST_MIB}MB",
            "per_stream_rate_limit_burst": f"{BURST_MIB}MB",
            "max_line_size": "64KB",
            "max_line_size_truncate": True,
            "max_global_streams_per_user": 500,
            "volume_enabled": True,
            "otlp_config": {
                "resource_attributes": {
                    "ignore_defaults": True,
                    "attributes_config": [{"action": "index_label", "attributes": list(LABELS)}],
                }
            },
        },
        "compactor": {
            "working_directory": f"{DATA}/compactor",
            "retention_enabled": True,
            "delete_request_store": "filesystem",
        },
        "ingester": {"wal": {"dir": f"{DATA}/wal", "replay_memory_ceiling": "128MB"}, "chunk_encoding": "zstd"},
        "query_range": {"results_cache": {"cache": {"embedded_cache": {"enabled": True, "max_size_mb": 16}}}},
    }
    return yaml.safe_dump(document, sort_keys=False, width=1000)


def ingestion_mib_per_second(kept: Retention) -> float:
    """How fast lines may come in for good so that all of the retention fits its size; a flood is refused beyond it.

    Loki drops lines by their age and never by the space they take.
    """
    return round(kept.logs_gib * 1024 * COMPRESSION / (kept.logs_days * 86400), 4)
