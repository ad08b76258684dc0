"""Open WebUI as a workload: what any target needs to run it."""

from __future__ import annotations

from pathlib import Path

from components.webui.environment import DATA, environment
from components.webui.settings import WebUi
from components.workload import FILES_DIRECTORY, File, Image, Probe, Resources, Scratch, SecretFile, Volume, Workload

NAME = "webui"
"""The workload's name, and the id of its API key in the gateway's log and limits."""

PORT = 8080
"""Where it listens inside its container."""

VOLUME = "webui-data"
SECRETS = {"api-key": "webui-api-key", "admin-password": "webui-admin-password", "secret-key": "webui-secret-key"}
"""Files to the names of the secrets whose content they have."""

_START = Path(__file__).with_name("start.py")

# Python is in the site's build and in the official image; curl is in one of them only. The certificate is its own.
_READY = (
    "import ssl, urllib.request as r;"
    "r.urlopen('{scheme}://127.0.0.1:{port}/ready', timeout=4, context=ssl._create_unverified_context())"
)


def data_volume(webui: WebUi) -> Volume:
    """Accounts and chats. A teardown keeps them."""
    return Volume(name=VOLUME, path=DATA, read_only=False, size_gib=webui.size_gib, keep=True)


def workload(webui: WebUi, gateway_url: str, model: str, image: Image) -> Workload:
    """The chat page. `gateway_url` is the gateway inside the stack's network; `model` is chosen in a new chat."""
    secrets = [SecretFile(name=file, secret=secret) for file, secret in SECRETS.items()]
    arguments = ["--port", str(PORT), "--drain", str(webui.drain_seconds)]
    if webui.tls:
        secrets.append(SecretFile(name="tls.pem", secret=webui.tls.certificate))
        secrets.append(SecretFile(name="tls.pem.key", secret=webui.tls.key))
        arguments += ["--tls", webui.tls.minimum]
    ready = _READY.format(scheme=webui.scheme, port=PORT)
    return Workload(
        name=NAME,
        image=image,
        command=("python3", f"{FILES_DIRECTORY}/{_START.name}"),
        args=tuple(arguments),
        env=environment(webui, gateway_url, model),
        files=(File(name=_START.name, content=_START.read_text(encoding="utf-8")),),
        secrets=tuple(secrets),
        volumes=(data_volume(webui),),
        scratch=(Scratch(path="/tmp", size_mib=128),),  # noqa: S108
        port=PORT,
        probe=Probe(command=("python3", "-c", ready), interval=5, timeout=5, retries=3, startup=webui.startup),
        resources=Resources(memory_mib=webui.memory_mib, cpus=webui.cpus, pids=128),
        drain=webui.drain_seconds,
    )
