"""The files of a running stack's Prometheus, changed for a drill and put back."""

from __future__ import annotations

import io
import json
import tarfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from components.monitoring import prometheus
from components.targets.docker.container import Names
from components.targets.docker.daemon import Daemon
from components.workload import FILES_DIRECTORY, RUN_AS
from ops.drill import faster
from ops.errors import UserError
from ops.inside import Inside, Unreachable
from ops.machine import write_private

if TYPE_CHECKING:
    from docker import DockerClient

TAKEN = "prometheus_config_last_reload_success_timestamp_seconds"


class PrometheusFiles:
    """The files of the stack's Prometheus, changed for a time and put back byte by byte.

    What they were is kept on disk meanwhile: a drill that is killed is put right by the next one.
    """

    def __init__(self, client: DockerClient, names: Names, inside: Inside, folder: Path) -> None:
        """`folder` is where they are kept meanwhile, `inside` what reaches Prometheus."""
        self._client, self._inside = client, inside
        self._container, self._holder = names.container(prometheus.NAME), names.files(prometheus.NAME)
        self._kept = folder / "drill-files.json"

    def read(self) -> dict[str, str]:
        """What they are, by name."""
        chunks, _ = self._client.api.get_archive(self._holder, f"{FILES_DIRECTORY}/.")
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
            return {
                info.name.removeprefix("./"): content.read().decode()
                for info in tar
                if info.isreg() and (content := tar.extractfile(info))
            }

    def originals(self) -> dict[str, str]:
        """What the deployment wrote."""
        if self._kept.exists():
            found: dict[str, str] = json.loads(self._kept.read_text())
            return found
        return self.read()

    def write(self, files: Mapping[str, str]) -> None:
        """Change them, and have Prometheus read them. Raises UserError when it does not take them."""
        if not self._kept.exists():
            write_private(self._kept, json.dumps(self.read()))
        self._put(files)

    def hasten(self) -> None:
        """Give rules and scrapes shorter times. Raises UserError as `write` does."""
        files = self.originals()
        self.write(
            {
                "prometheus.yml": faster.scrapes(files["prometheus.yml"]),
                **{name: faster.rules(text) for name, text in files.items() if name != "prometheus.yml"},
            }
        )

    def restore(self) -> None:
        """Put back what the deployment wrote; nothing to do when nothing was changed."""
        if not self._kept.exists():
            return
        self._put(json.loads(self._kept.read_text()))
        self._kept.unlink()

    def _put(self, files: Mapping[str, str]) -> None:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for name, text in files.items():
                info = tarfile.TarInfo(name)
                data = text.encode()
                info.size, info.mode, info.uid, info.gid = len(data), 0o400, RUN_AS, RUN_AS
                tar.addfile(info, io.BytesIO(data))
        self._client.api.put_archive(self._holder, FILES_DIRECTORY, buffer.getvalue())
        asked = time.time()
        daemon = Daemon()
        daemon.client = self._client
        daemon.signal(self._container, "SIGHUP")
        self._taken(asked)

    def _taken(self, asked: float) -> None:
        end = time.monotonic() + 90
        url = f"http://127.0.0.1:{prometheus.PORT}/metrics"
        while time.monotonic() < end:
            try:
                text = self._inside.get(url)
            except Unreachable:
                text = ""
            told = [s for family in text_string_to_metric_families(text) for s in family.samples if s.name == TAKEN]
            if any(sample.value >= asked - 1 for sample in told):
                return
            time.sleep(1)
        raise UserError(
            "Prometheus did not take the drill's times",
            harm="alerts would take minutes, and the drill is over",
            fix=f"docker logs {self._container} says why",
        )
