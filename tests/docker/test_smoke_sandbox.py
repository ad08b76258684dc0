"""Code a model wrote reaches nothing: no network, no file, no secret, no more time or memory than it is given."""

from __future__ import annotations

from collections.abc import Iterator

import docker
import pytest
from rich.console import Console

from components.catalog import catalog
from ops.images.build import Builder
from ops.smoke import sandbox

pytestmark = pytest.mark.docker

CASES = ((0, 0), (1, 1), (10, 55))
RIGHT = """
def fibonacci(n):
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a
"""


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests are about how code ends, and not about how soon a busy machine has started Python."""
    monkeypatch.setattr(sandbox, "SECONDS", 120)


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    made = docker.from_env()
    yield made
    made.close()


@pytest.fixture(scope="module")
def image(client: docker.DockerClient) -> str:
    builder, row = Builder(client, Console(quiet=True)), catalog().images["fetch"]
    return builder.present("fetch", row) or builder.build("fetch", row)


def run(client: docker.DockerClient, image: str, body: str) -> str:
    """What is said of a function with this body."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return sandbox.run(client, image, f"def fibonacci(n):\n{lines}", "fibonacci", CASES)


def test_right_code_is_right_and_what_it_prints_does_not_matter(client: docker.DockerClient, image: str) -> None:
    assert sandbox.run(client, image, f"{RIGHT}\nprint(fibonacci(9), '\"\"')", "fibonacci", CASES) == ""


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return n", "fibonacci(10) gave 10"),
        ("return undefined", "NameError"),
        ("raise SystemExit(0)", "SystemExit"),
        ("import os; os._exit(0)", "exit code 0 and no result"),
        ("open('/tmp/x', 'w')", "Read-only file system"),
        ("open('/etc/shadow').read()", "PermissionError"),
        ("import socket; socket.create_connection(('192.0.2.1', 80), 2)", "Network is unreachable"),
        ("x = bytearray(2**30)", "exit code 137"),
        ("import os\nwhile True: os.fork()", "Resource temporarily unavailable"),
        ("while True: pass", "did not end within 3 s"),
    ],
    ids=["wrong", "broken", "exit", "hard-exit", "write", "read", "network", "memory", "fork", "loop"],
)
def test_what_code_must_not_do_fails_and_ends(
    client: docker.DockerClient, image: str, monkeypatch: pytest.MonkeyPatch, body: str, said: str
) -> None:
    if said.startswith("did not end"):
        monkeypatch.setattr(sandbox, "SECONDS", 3)
    assert said in run(client, image, body)


def test_code_sees_nothing_of_the_person_who_runs_it(
    client: docker.DockerClient, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLM_KEY", "a-secret-of-this-person")
    found = run(client, image, "import os\nraise ValueError(dict(os.environ))")
    assert found.startswith("ValueError")
    assert "a-secret-of-this-person" not in found
    assert "root" not in run(client, image, "import os\nraise ValueError(os.listdir('/home'))")


def test_nothing_is_left_behind(client: docker.DockerClient, image: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "SECONDS", 3)
    body = "while 'nothing is left': pass"
    assert "did not end" in run(client, image, body)
    # Other tests run containers of this image at the same time.
    made = client.containers.list(all=True, filters={"ancestor": image}, ignore_removed=True)
    assert [c.name for c in made if body in str(c.attrs["Args"])] == []
