"""The shipper of logs: an OpenTelemetry collector that reads what containers wrote and hands it to Loki (pure).

It also counts what the gateway's lines tell of API keys (key_counts.py), which Prometheus asks it for.

On a Docker host, Docker writes each line with the labels that LOG_OPTIONS of components/targets/docker/container.py
names, so nobody has to be asked which container a file belongs to. On a cluster, the path of a file names its
namespace, pod and container, and a container is called as its workload is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from components.gateway import NAME as GATEWAY
from components.monitoring import key_counts
from components.monitoring.probe import bash_probe
from components.workload import FILES_DIRECTORY, File, Image, Resources, Scratch, Volume, Workload

NAME = "collector"
PORT = 8888
ASKED = (PORT, key_counts.PORT)
"""Where Prometheus asks it: for its own figures, and for those of API keys."""

HEALTH_PORT = 13133
VOLUME = "collector-data"
DATA = "/data"
LOGS = "/logs"
"""Where a target mounts the folder of its containers' logs (agents.py of each target)."""

MEMORY_MIB = 256
NODE_WAITING_MIB = 32

_READING: dict[str, Any] = {
    "start_at": "beginning",
    "poll_interval": "1s",
    "include_file_name": False,
    "include_file_path": True,
    "storage": "file_storage",
    "max_log_size": "128KiB",
    "retry_on_failure": {"enabled": True},
}


def workload(loki: str, stack: str, image: Image) -> Workload:
    """The collector of a Docker host's logs, those of the stack `stack` only. `loki` is `host:port`."""
    # How far each file was read, and lines that Loki did not take yet.
    data = Volume(name=VOLUME, path=DATA, read_only=False, size_gib=0.5, keep=True)
    counted = key_counts.lines_of(GATEWAY, _docker_receiver(stack), first=key_counts.docker_lines_of(GATEWAY))
    return _workload(configuration(loki, _docker_receiver(stack), counted), image, volumes=(data,))


def node_workload(loki: str, namespaces: Sequence[str], image: Image) -> Workload:
    """The collector of a node's logs, those of pods of these namespaces only. `loki` is `host:port`. The gateway is in
    the first of them.

    What it remembers ends with its pod. The next one reads all files of the node again, and Loki keeps no line twice
    that has the same time and the same text.
    """
    gateways = {"include": [f"{LOGS}/{namespaces[0]}_{GATEWAY}-*/{GATEWAY}/*.log"]}
    counted = key_counts.lines_of(GATEWAY, _node_receiver(namespaces) | gateways)
    document = configuration(loki, _node_receiver(namespaces), counted, waiting_mib=NODE_WAITING_MIB)
    return _workload(document, image, scratch=(Scratch(path=DATA, size_mib=2 * NODE_WAITING_MIB),))


def _workload(document: str, image: Image, **storage: Any) -> Workload:
    return Workload(
        name=NAME,
        image=image,
        args=(f"--config={FILES_DIRECTORY}/collector.yml",),
        files=(File(name="collector.yml", content=document),),
        **storage,
        port=PORT,
        probe=bash_probe(HEALTH_PORT, "/"),
        resources=Resources(memory_mib=MEMORY_MIB, cpus=0.5, pids=64),
        drain=15,
    )


def configuration(loki: str, receiver: dict[str, Any], counted: dict[str, Any], waiting_mib: int = 64) -> str:
    """Its configuration file. `counted` reads what is counted; `waiting_mib` is how much may wait for Loki."""
    counting = key_counts.parts(counted)
    document: dict[str, Any] = {
        "extensions": {
            "health_check": {"endpoint": f"0.0.0.0:{HEALTH_PORT}"},
            "file_storage": {"directory": DATA, "compaction": {"on_start": True, "directory": DATA}},
        },
        "receivers": {"file_log": receiver, **counting["receivers"]},
        "processors": {
            "memory_limiter": {"check_interval": "2s", "limit_mib": MEMORY_MIB * 3 // 4, "spike_limit_mib": 48},
            **counting["processors"],
        },
        "connectors": counting["connectors"],
        "exporters": {
            "otlp_http": {
                "endpoint": f"http://{loki}/otlp",
                # Lines wait in that directory while Loki is away or refuses more; the oldest of more than that are
                # lost, and told of (otelcol_exporter_enqueue_failed_log_records).
                "sending_queue": {
                    "storage": "file_storage",
                    "queue_size": waiting_mib * 2**20,
                    "sizer": "bytes",
                    "batch": {"flush_timeout": "2s", "min_size": 64 * 2**10, "max_size": 2**20},
                },
                "retry_on_failure": {"max_interval": "30s", "max_elapsed_time": "0s"},
            },
            **counting["exporters"],
        },
        "service": {
            "extensions": ["health_check", "file_storage"],
            "pipelines": {
                "logs": {"receivers": ["file_log"], "processors": ["memory_limiter"], "exporters": ["otlp_http"]},
                **counting["pipelines"],
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


def _docker_receiver(stack: str) -> dict[str, Any]:
    """Reads Docker's JSON lines from where it stopped; lines of other stacks on the same host are let go at once."""
    own = f'attributes.attrs == nil or attributes.attrs["slm.stack"] != "{stack}"'
    return {
        # Docker moves a full file away; what was not read of it by then is read there.
        "include": [f"{LOGS}/*/*-json.log", f"{LOGS}/*/*-json.log.*"],
        **_READING,
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


def _node_receiver(namespaces: Sequence[str]) -> dict[str, Any]:
    """Reads lines as container runtimes write them, put together where they were cut; other namespaces are not read.

    Which pod a line is of stays beside it.
    """
    return {
        "include": [f"{LOGS}/{namespace}_*/*/*.log" for namespace in namespaces],
        **_READING,
        # A line may have been cut at a space.
        "preserve_trailing_whitespaces": True,
        "operators": [
            {"type": "container", "max_log_size": "64KiB"},
            {"type": "move", "from": 'resource["k8s.container.name"]', "to": 'resource["workload"]'},
            {"type": "move", "from": 'attributes["log.iostream"]', "to": 'resource["stream"]'},
            {"type": "remove", "field": 'attributes["log.file.path"]'},
            {"type": "remove", "field": 'attributes["logtag"]'},
        ],
    }
