"""The Docker plugin of this machine takes every input that the pulumi_docker package can give it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pulumi_docker
import pytest
from pulumi import _types

from tools.environment import toolchain_environment
from tools.installer import Installer

pytestmark = pytest.mark.docker

RESOURCES = {"container": "Container", "remoteImage": "RemoteImage", "network": "Network", "volume": "Volume"}


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    installer = Installer()
    program = installer.folder("pulumi-resource-docker") / "pulumi-resource-docker"
    assert program.exists(), "the tools are not installed: make setup"
    done = subprocess.run(
        ["pulumi", "package", "get-schema", str(program)],
        cwd=tmp_path_factory.mktemp("empty"),
        env={**os.environ, **toolchain_environment(installer)},
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(json.loads(done.stdout))


def inputs(arguments: type) -> set[str]:
    """The names the package sends for a class of arguments."""
    return {name for _, name, _ in _types._py_properties(arguments)}


@pytest.mark.parametrize(("file", "name"), RESOURCES.items())
def test_a_resource_takes_the_packages_inputs(schema: dict[str, Any], file: str, name: str) -> None:
    known = set(schema["resources"][f"docker:index/{file}:{name}"]["inputProperties"])
    assert inputs(getattr(pulumi_docker, f"{name}Args")) <= known


def test_every_nested_value_takes_the_packages_inputs(schema: dict[str, Any]) -> None:
    compared = set()
    for token, description in schema["types"].items():
        arguments = getattr(pulumi_docker, f"{token.rsplit(':', 1)[-1]}Args", None)
        if arguments is not None:
            assert inputs(arguments) <= set(description["properties"]), token
            compared.add(token)
    assert len(compared) >= 25, "containers alone have that many"


def test_the_plugin_is_the_release_that_the_package_asks_for(schema: dict[str, Any]) -> None:
    wanted = json.loads((Path(pulumi_docker.__file__).parent / "pulumi-plugin.json").read_text())["version"]
    assert schema["version"] == wanted


def test_pulumi_knows_the_plugin() -> None:
    done = subprocess.run(
        ["pulumi", "plugin", "ls", "--json"],
        env={**os.environ, **toolchain_environment()},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ("docker", "5.2.0") in {(p["name"], p["version"]) for p in json.loads(done.stdout)}
