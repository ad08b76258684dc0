"""An API key is looked for everywhere it must not be (fault 32), after each kind of run; the search is tested too."""

from __future__ import annotations

import base64
import json
import secrets
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import docker
import psutil
import pytest
from rich.console import Console

from components.catalog import catalog
from ops import docker_exec
from ops.images.build import Builder
from ops.machine import Machine
from ops.previewed import parse
from ops.pull_request.previews import Asked
from ops.pull_request.report import build
from ops.pull_request.sides import Side
from ops.pulumi_cli import Pulumi
from ops.secrets import keys
from tests.docker import tiny_model
from tests.docker.fast_stack import declare, remove
from tests.docker.project import Project

pytestmark = pytest.mark.docker

CANARY = f"slm-{secrets.token_hex(16)}"
"""Made anew each time: a fixed one would be found in this file."""
STACK = "test-canary"


@dataclass
class Search:
    """Texts of a stack, by the place they were found in, searched for secrets in the spellings they may take."""

    secrets: dict[str, str]
    places: int = 0
    hits: set[str] = field(default_factory=set)

    def text(self, place: str, text: str | bytes) -> None:
        """Look for every secret in a text."""
        data = text.encode() if isinstance(text, str) else text
        self.places += 1
        for name, secret in self.secrets.items():
            if any(spelling in data for spelling in spellings(secret)):
                self.hits.add(f"{name} in {place}")

    def files(self, folder: Path) -> None:
        """Look into every file below a folder, hidden ones too; the toolchain is not the stack's."""
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                self.text(f"file {path.relative_to(folder)}", path.read_bytes())

    def engine(self, client: docker.DockerClient, stack: str) -> None:
        """Look into all the Docker engine says about the stack's containers, images, networks and volumes."""
        filters = {"label": f"slm.stack={stack}"}
        for container in client.containers.list(all=True, filters=filters):
            self.text(f"inspect of {container.name}", json.dumps(container.attrs))
            self.text(f"logs of {container.name}", container.logs())
            self.text(f"image of {container.name}", json.dumps(container.image.attrs))
            self.text(f"image history of {container.name}", json.dumps(container.image.history()))
            if container.status == "running":
                command = ["sh", "-c", "cat /etc/slm/* /proc/1/environ /proc/1/cmdline 2>/dev/null"]
                self.text(f"inside of {container.name}", docker_exec.run(container, command).output)
        for thing in [*client.networks.list(filters=filters), *client.volumes.list(filters=filters)]:
            self.text(f"inspect of {thing.name}", json.dumps(thing.attrs))

    @contextmanager
    def processes(self) -> Iterator[None]:
        """Look at the command line and the environment of every process again and again until the block ends."""
        done = threading.Event()

        def look() -> None:
            while not done.wait(0.02):
                for process in psutil.process_iter():
                    for what in ("cmdline", "environ"):
                        try:
                            seen = Path(f"/proc/{process.pid}/{what}").read_bytes()
                            name = process.name()
                        except (OSError, psutil.Error):
                            continue
                        self.text(f"{what} of {name}", seen)

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


def spellings(secret: str) -> list[bytes]:
    """A secret as it is, in hexadecimal, and in base64 wherever it begins in a longer text."""
    raw = secret.encode()
    coded = [base64.b64encode(b"x" * shift + raw)[4:-4] for shift in range(3)]
    return [raw, raw.hex().encode(), *coded]


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    found = docker.from_env()
    yield found
    found.close()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A stack whose API key is the canary before anything is deployed."""
    made = declare(tmp_path_factory.mktemp("canary"), STACK)
    pulumi = Pulumi(Machine(STACK, made.folder))
    pulumi.ensure_stack()
    keys.save(pulumi, {"key-1": CANARY})
    yield made
    remove(made)


@pytest.fixture
def search(project: Project) -> Search:
    return Search({"the API key": CANARY, "the passphrase": passphrase(project)})


def passphrase(project: Project) -> str:
    return (project.folder / f".slm/{STACK}/passphrase").read_text().strip()


def look_everywhere(search: Search, project: Project, client: docker.DockerClient) -> None:
    """Everything that stays after a command."""
    search.text("stack export", project.pulumi("stack", "export").must_succeed().output)
    search.engine(client, STACK)
    own = project.folder / f".slm/{STACK}/passphrase"
    kept = own.read_text()
    own.unlink()  # The one file that may hold it.
    try:
        search.files(project.folder)
    finally:
        own.write_text(kept)
        own.chmod(0o600)


def clean(search: Search, at_least: int) -> None:
    """No hit, in a search that had something to look at; the environment of Pulumi's program is the known exception.

    Pulumi hands a program its whole configuration, decrypted, in PULUMI_CONFIG. Only this user can read that, who can
    read the passphrase as well, and it is gone when the program ends.
    """
    assert search.places > at_least
    program = {f"the API key in environ of {name}" for name in ("python3", "python", "pulumi-language-python-exec")}
    assert search.hits - program == set()


def test_a_failed_up_leaves_no_trace_of_the_key(project: Project, client: docker.DockerClient, search: Search) -> None:
    project.change({"slm:models": {tiny_model.NAME: tiny_model.with_sha256("0" * 64)}})
    with search.processes():
        search.text("what up prints", project.ops("up").must_fail("sha256").output)
    look_everywhere(search, project, client)
    clean(search, 500)
    good = tiny_model.described(project.folder.parent / f"{tiny_model.NAME}.gguf")
    project.change({"slm:models": {tiny_model.NAME: good}})


def test_up_leaves_no_trace_of_the_key(project: Project, client: docker.DockerClient, search: Search) -> None:
    with search.processes():
        search.text("what up prints", project.ops("up").must_succeed().output)
    assert project.request("GET", "/v1/models", CANARY).status_code == 200, "the canary is the key in use"
    look_everywhere(search, project, client)
    clean(search, 500)


def test_preview_and_events_have_no_trace_of_the_key(
    project: Project, client: docker.DockerClient, search: Search, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_DEBUG_COMMANDS", "1")  # Without it Pulumi has no --event-log.
    base = Side(STACK, tmp_path / "base", date.today())
    base.folder.mkdir()
    shutil.copy(project.file, base.file)
    project.change({"slm:gateway": {"limits": {"requests_per_minute": 333}}})
    shown = project.pulumi("preview", "--diff", "--json").must_succeed().output
    assert json.loads(shown)["changeSummary"]["replace"] == 1, "the files, the keys among them, are about to change"
    search.text("preview --diff --json", shown)
    report = build(base, Side(STACK, project.folder, date.today()), [Asked("", parse(shown))])
    assert "requests of one key a minute" in report.full
    assert "gateway-files" in report.full
    assert not report.risky, "a change of limits touches no data"
    search.text("a report for a pull request", report.full)
    search.text("preview --diff", project.pulumi("preview", "--diff").must_succeed().output)
    events = tmp_path / "events.json"
    arguments = ("--yes", "--skip-preview", "--event-log", str(events), "--logtostderr", "-v=6")
    search.text("a verbose up", project.pulumi("up", *arguments).must_succeed().output)
    assert len(events.read_text().splitlines()) > 10
    search.files(tmp_path)
    look_everywhere(search, project, client)
    clean(search, 30)


def test_rotation_has_no_trace_of_the_keys(project: Project, client: docker.DockerClient, search: Search) -> None:
    with search.processes():
        search.text("what rotate-key prints", project.ops("rotate-key").must_succeed().output)
    (new,) = project.keys().values()
    assert new != CANARY
    also = Search({"the new key": new})
    look_everywhere(search, project, client)
    look_everywhere(also, project, client)
    clean(search, 500)
    clean(also, 30)


def test_destroy_leaves_no_trace_of_the_key(project: Project, client: docker.DockerClient, search: Search) -> None:
    with search.processes():
        search.text("what down prints", project.ops("down").must_succeed().output)
    look_everywhere(search, project, client)
    clean(search, 500)


def test_the_search_finds_what_is_there(project: Project, client: docker.DockerClient, tmp_path: Path) -> None:
    """Each place is searched with a secret that is in it: otherwise the tests above would prove nothing."""
    planted = f"slm-{secrets.token_hex(16)}"
    found = Search({"it": planted})
    (tmp_path / "state.json").write_text(json.dumps({"inputs": [base64.b64encode(f"k {planted}".encode()).decode()]}))
    found.files(tmp_path)
    # An image of the stack above: of the others one may just be going, with a test that runs beside this one.
    builder, row = Builder(client, Console(quiet=True)), catalog().images["fetch"]
    image = builder.present("fetch", row) or builder.build("fetch", row)
    labels = {"slm.stack": "planted"}
    made = client.containers.create(image, entrypoint=["true"], environment={"KEY": planted}, labels=labels)
    try:
        found.engine(client, "planted")
        # They live until the search has come round to them, and end with their input.
        with (
            found.processes(),
            subprocess.Popen(["cat"], stdin=subprocess.PIPE, env={"KEY": planted}),
            subprocess.Popen(["sh", "-c", f"read line # {planted}"], stdin=subprocess.PIPE),
        ):
            end = time.monotonic() + 60
            while len(found.hits) < 4 and time.monotonic() < end:
                time.sleep(0.05)
    finally:
        made.remove(force=True)
    expected = {"file state.json", f"inspect of {made.name}", "environ of cat", "cmdline of sh"}
    assert {hit.removeprefix("it in ") for hit in found.hits} == expected


def test_a_gateway_that_got_clear_keys_would_be_found(project: Project, search: Search) -> None:
    """The state, decrypted, holds digests; were the keys themselves handed to the gateway, this is where they were."""
    program = project.folder / "components/secrets.py"
    text = program.read_text()
    shown = ("stack", "export", "--show-secrets")
    pulumi = Pulumi(Machine(STACK, project.folder))
    keys.save(pulumi, {"key-1": CANARY})
    project.ops("up").must_succeed()
    search.text("the decrypted state", project.pulumi(*shown).must_succeed().output)
    assert search.hits == set()
    hashed = "keys.apply(lambda text: key_map(json.loads(text)))"
    assert hashed in text
    program.write_text(text.replace(hashed, "keys"))
    project.pulumi("up", "--yes", "--skip-preview").must_succeed()
    search.text("the decrypted state", project.pulumi(*shown).must_succeed().output)
    assert search.hits == {"the API key in the decrypted state"}
    program.write_text(text)
