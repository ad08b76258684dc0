"""The shipper of logs: an OpenTelemetry collector that reads what containers wrote and hands it to Loki (pure).

Docker writes each line with the labels that LOG_OPTIONS of components/targets/docker/container.py names, so nobody has
to be asked which container a file belongs to.
"""

from __future__ import annotations

from typing import Any

import yaml

from components.monitoring.probe import bash_probe
from components.workload import FILES_DIRECTORY, File, Image, Resources, Volume, Workload

NAME = "collector"
PORT = 8888
HEALTH_PORT = 13133
VOLUME = "collector-data"
DATA = "/data"
LOGS = "/logs"
"""Where a Docker target mounts the folder of its containers' logs (components/targets/docker/agents.py)."""

MEMORY_MIB = 256


def workload(loki: str, stack: str, image: Image) -> Workload:
    """The collector of a Docker host's logs, those of the stack `stack` only. `loki` is `host:port`."""
    return Workload(
        name=NAME,
        image=image,
        args=(f"--config={FILES_DIRECTORY}/collector.yml",),
        files=(File(name="collector.yml", content=configuration(loki, stack)),),
        # How far each file was read, and lines that Loki did not take yet.
        volumes=(Volume(name=VOLUME, path=DATA, read_only=False, size_gib=0.5, keep=True),),
        port=PORT,
        probe=bash_probe(HEALTH_PORT, "/"),
        resources=Resources(memory_mib=MEMORY_MIB, cpus=0.5, pids=64),
        drain=15,
    )


def configuration(loki: str, stack: str) -> str:
    """Its configuration file."""
    document: dict[str, Any] = {
        "extensions": {
            "health_check": {"endpoint": f"0.0.0.0:{HEALTH_PORT}"},
            "file_storage": {"directory": DATA, "compaction": {"on_start": True, "directory": DATA}},
        },
        "receivers": {"file_log": _receiver(stack)},
        "processors": {
            "memory_limiter": {"check_interval": "2s", "limit_mib": MEMORY_MIB * 3 // 4, "spike_limit_mib": 48},
        },
        "exporters": {
            "otlp_http": {
                "endpoint": f"http://{loki}/otlp",
                # Lines wait on the volume while Loki is away or refuses more; the oldest of more than that are lost,
                # and told of (otelcol_exporter_enqueue_failed_log_records).
                "sending_queue": {
                    "storage": "file_storage",
                    "queue_size": 64 * 2**20,
                    "sizer": "bytes",
                    "batch": {"flush_timeout": "2s", "min_size": 64 * 2**10, "max_size": 2**20},
                },
                "retry_on_failure": {"max_interval": "30s", "max_elapsed_time": "0s"},
            }
        },
        "service": {
            "extensions": ["health_check", "file_storage"],
            "pipelines": {
                "logs": {"receivers": ["file_log"], "processors": ["memory_limiter"], "exporters": ["otlp_http"]}
            },
            "telemetry": {
                "logs": {"level": "warn", "encoding": "json"},
                "metrics": {
                    "level": "basic",
                    "readers": [{"pull": {"exporter": {"prometheus": {"host": "0.0.0.0", "port": PORT}}}}],
                },
            },
        },
    }
    return yaml.safe_dump(document, sort_keys=False, width=1000)


def _receiver(stack: str) -> dict[str, Any]:
    """Reads Docker's JSON lines from where it stopped; lines of other stacks on the same host are let go at once."""
    own = f'attributes.attrs == nil or attributes.attrs["slm.stack"] != "{stack}"'
    return {
        "include": [f"{LOGS}/*/*-json.log"],
        "start_at": "beginning",
        "poll_interval": "1s",
        "include_file_name": False,
        "include_file_path": True,
        "storage": "file_storage",
        "max_log_size": "128KiB",
        "retry_on_failure": {"enabled": True},
        "operators": [
            {"type": "json_parser", "parse_to": "attributes", "on_error": "drop_quiet"},
            {"type": "filter", "expr": own},
            # Docker cuts a line of more than 16 KiB into pieces; only the last ends in a new line.
            {
                "type": "recombine",
                "combine_field": "attributes.log",
                "is_last_entry": 'attributes.log matches "\\n$"',
                "combine_with": "",
                "source_identifier": 'attributes["log.file.path"]',
                "max_log_size": "64KiB",
            },
            {
                "type": "time_parser",
                "parse_from": "attributes.time",
                "layout_type": "gotime",
                "layout": "2006-01-02T15:04:05.999999999Z",
            },
            {"type": "move", "from": 'attributes.attrs["slm.workload"]', "to": 'resource["workload"]'},
            {"type": "move", "from": "attributes.stream", "to": 'resource["stream"]'},
            {"type": "move", "from": "attributes.log", "to": "body"},
            {"type": "regex_replace", "field": "body", "regex": "\\n$", "replace_with": ""},
            {"type": "remove", "field": "attributes.time"},
            {"type": "remove", "field": "attributes.attrs"},
            {"type": "remove", "field": 'attributes["log.file.path"]'},
        ],
    }
