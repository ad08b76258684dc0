"""A fleet from a bundle: made on this machine, loaded on one that has no network but its site's, deployed from there.

`berlin-1` is the machine that people at the site work at: a Docker engine without images, a home without anything, no
way out. It deploys to the two other hosts.
"""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

import httpx
import pytest
import yaml

from ops.fleet.authority import Authority
from rehearsal.hosts import Fleet, Host
from tests.docker import tiny_model
from tests.docker.project import Finished, Project
from tests.edge.conftest import remove_images
from tests.edge.fleet_stack import PORT, clear, declare

pytestmark = [pytest.mark.edge, pytest.mark.timeout(1800)]

STACK = "test-bundle"
CONTROL, SERVING = "berlin-1", ("berlin-2", "oslo-1")
HOSTS = {"HOSTS": ",".join(SERVING)}
HOME = "/home/site"
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
# Made by chance: this file itself is in the bundle.
GIVEN, IN_THE_ENVIRONMENT = (f"canary-{token_hex(20)}" for _ in range(2))


@dataclass
class Bundle:
    """A bundle, the key it is signed with, how long it took, and what must not be in it."""

    file: Path
    key: Path
    said: str
    secrets: dict[str, bytes]


@dataclass
class Site:
    """The machine at the site."""

    host: Host

    def run(self, script: str) -> Finished:
        """Run a script there, in the environment of a person who has just logged in."""
        python = Path(getattr(sys, "_base_executable", sys.executable)).parent
        clean = ["env", "-i", f"HOME={HOME}", f"PATH={python}:/usr/sbin:/usr/bin:/sbin:/bin", "COLUMNS=160"]
        words = self.host.namespaces.command(*clean, "bash", "-euc", f"mkdir -p {HOME}; cd {HOME}; {script}")
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900)
        return Finished(done.returncode, done.stdout)

    def path(self, below: str) -> Path:
        """A file of its home, as this machine sees it."""
        return self.host.namespaces.path(f"{HOME}/{below}")


@pytest.fixture(scope="module")
def bundle(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Made as a person does it, in a project that has secrets of every kind. The project is gone afterwards."""
    folder = tmp_path_factory.mktemp("maker")
    project = declare(folder, fleet, STACK)
    ops = [sys.executable, "-m", "ops"]
    subprocess.run([*ops, "bundle-key"], cwd=project.folder, check=True)
    authority = Authority.of(STACK, project.folder)
    authority.ensure()
    one = Project(project.folder, f"{STACK}.{SERVING[0]}")
    give = [*ops, "secret", "cert-key", "--stack", one.stack]
    subprocess.run(give, cwd=project.folder, input=GIVEN, text=True, check=True)
    held = project.folder / ".slm" / one.stack
    config = yaml.safe_load((held / f"Pulumi.{one.stack}.yaml").read_text())
    secrets = {
        "what was given": GIVEN.encode(),
        "what was given, encrypted": config["config"]["slm:cert-key"]["secure"].encode(),
        "the salt": config["encryptionsalt"].encode(),
        "the passphrase": (held / "passphrase").read_bytes().strip(),
        "the fleet's authority": (project.folder / f".slm/{STACK}/ca/ca.key").read_bytes().splitlines()[1],
        "the signing key": (project.folder / ".slm/bundle/bundle-key").read_bytes().splitlines()[3],
        "the fleet's login key": (folder / "fleet-key").read_bytes().splitlines()[3],
        "the environment": IN_THE_ENVIRONMENT.encode(),
    }
    file = folder / "edge.bundle.tar"
    environment = {**HOSTS, "HF_TOKEN": IN_THE_ENVIRONMENT, "PULUMI_ACCESS_TOKEN": IN_THE_ENVIRONMENT}
    begun = time.monotonic()
    said = project.ops("bundle", "--file", str(file), "--pythons", PYTHON, environment=environment).must_succeed()
    print(f"bundled in {time.monotonic() - begun:.0f} s, {file.stat().st_size / 1e6:.0f} MB\n{said.output}")
    key = Path(shutil.copy(project.folder / ".slm/bundle/bundle-key.pub", folder))
    # Nothing that the site does may rest on what is left of the maker.
    shutil.rmtree(project.folder)
    (folder / f"{tiny_model.NAME}.gguf").unlink()
    return Bundle(file, key, said.output, secrets)


@pytest.fixture(scope="module")
def site(fleet: Fleet) -> Iterator[Site]:
    """The control machine without a way out, and hosts that have no image."""
    host = fleet[CONTROL]
    remove_images(fleet)
    host.run("ip", "route", "del", "default")
    yield Site(host)
    host.run("rm", "-rf", HOME)
    for one in fleet:
        clear(one)
    host.run("ip", "route", "add", "default", "via", fleet.control)


def test_no_secret_of_the_maker_is_in_the_bundle_and_it_says_what_is_missing(bundle: Bundle) -> None:
    found, tail = set[str](), b""
    with bundle.file.open("rb") as content:
        while piece := content.read(1 << 22):
            found |= {name for name, secret in bundle.secrets.items() if secret in tail + piece}
            tail = piece[-1000:]
    assert found == set()
    for words in (
        "the SSH key that the hosts let in",
        "API keys and state: made anew there",
        "the fleet's certificate authority",
    ):
        assert f"not in it: {words}" in bundle.said, bundle.said


def test_a_machine_without_anything_verifies_and_loads_it(bundle: Bundle, site: Site) -> None:
    # As docs/edge.md says it: the loader is checked by OpenSSH itself before anything of it runs.
    said = site.run(
        f"tar xf {bundle.file} load.pyz load.pyz.sig\n"
        f'echo "slm-bundle namespaces=\\"slm-bundle\\" $(cut -d" " -f1,2 {bundle.key})" > signer\n'
        "ssh-keygen -Y verify -f signer -I slm-bundle -n slm-bundle -s load.pyz.sig < load.pyz\n"
        f"time python3 load.pyz {bundle.file} --key {bundle.key}"
    ).must_succeed()
    print(said.output)
    assert "every sha256 as signed" in said.output
    assert f"make up STACK={STACK} HOSTS={','.join(SERVING)}" in said.output


def test_from_there_the_fleet_is_deployed_and_every_host_answers_over_tls(site: Site, fleet: Fleet) -> None:
    begun = time.monotonic()
    said = site.run(f"cd slm-stacks/current && make up STACK={STACK} HOSTS={','.join(SERVING)}").must_succeed()
    print(f"up in {time.monotonic() - begun:.0f} s\n{said.output}")
    trusted = ssl.create_default_context(cadata=site.path(f"slm-stacks/.slm/{STACK}/ca/ca.pem").read_text())
    for name in SERVING:
        asked = f'cd slm-stacks/current; eval "$(make -s env STACK={STACK}.{name})"; '
        told = site.run(f"{asked} pulumi config get slm:apiKeys --stack {STACK}.{name}").must_succeed().output
        key = list(yaml.safe_load(told).values())[-1]
        body = {"model": tiny_model.NAME, "messages": [{"role": "user", "content": "240 / 3?"}], "max_tokens": 8}
        with httpx.Client(verify=trusted, trust_env=False, timeout=60) as client:
            url = f"https://{fleet[name].address}:{PORT}/v1/chat/completions"
            answer = client.post(url, json=body, headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == 200, answer.text
        assert "80" in answer.json()["choices"][0]["message"]["content"]


def test_what_was_changed_on_the_stick_is_refused_and_the_loaded_one_stays(bundle: Bundle, site: Site) -> None:
    changed = bundle.file.with_name("changed.bundle.tar")
    shutil.copyfile(bundle.file, changed)
    with changed.open("r+b") as file:
        file.seek(os.path.getsize(changed) // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))
    said = site.run(f"cd slm-stacks/current && make load FILE={changed}")
    changed.unlink()
    said.must_fail("is not what was signed", "nothing was installed")
    site.run(f"cd slm-stacks/current && make status STACK={STACK} HOSTS={','.join(SERVING)}").must_succeed()
