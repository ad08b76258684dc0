"""Which image plays a role: what this machine recorded, unless the description has gone on since."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from components.catalog import catalog
from components.settings import load
from components.settings.stack_file import DESCRIPTION
from tests.unit.settings_base import BASE, TODAY

pytestmark = pytest.mark.unit

ROLE = "haproxy"
PIN = str(catalog().images[ROLE].pinned)
BUILT, OTHER_BUILD = "sha256:" + "a" * 64, "sha256:" + "b" * 64
OLDER = f"haproxy:3.4.1@sha256:{'c' * 64}"
OWN = f"haproxy:3.4.3@sha256:{'d' * 64}"


@pytest.mark.parametrize(
    ("named", "recorded", "used"),
    [
        (None, None, PIN),
        (None, BUILT, BUILT),  # It stands in for one that no registry served.
        (OWN, BUILT, BUILT),
        (None, PIN, PIN),
        (None, OLDER, PIN),  # The catalogue has gone on: an upgrade.
        (OWN, OLDER, OWN),  # The stack's file has.
        (OWN, PIN, OWN),
        (OTHER_BUILD, BUILT, OTHER_BUILD),
        (BUILT, BUILT, BUILT),
    ],
)
def test_a_newer_description_goes_before_what_was_recorded_of_an_older_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str | None, recorded: str | None, used: str
) -> None:
    described = {**BASE, "slm:images": {ROLE: named}} if named else dict(BASE)
    (tmp_path / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": described}))
    overlay = {"slm:images": {ROLE: recorded}} if recorded else {}
    assert load("dev", tmp_path, overlay, today=TODAY).images[ROLE] == used
    # What is gone back to is what ran then, whatever this checkout pins now.
    kept = tmp_path / "kept.yaml"
    kept.write_text((tmp_path / "Pulumi.dev.yaml").read_text())
    monkeypatch.setenv(DESCRIPTION, str(kept))
    assert load("dev", tmp_path, overlay, today=TODAY).images[ROLE] == (recorded or used)


def test_for_a_cluster_a_machines_image_is_somebodys_choice_and_stays(tmp_path: Path) -> None:
    described = {**BASE, "slm:targets": {"laptop": {"kind": "kubernetes", "kubeconfig": "~/.kube/config"}}}
    (tmp_path / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": described}))
    assert load("dev", tmp_path, {"slm:images": {ROLE: OLDER}}, today=TODAY).images[ROLE] == OLDER


def test_so_it_does_where_the_machine_itself_says_that_it_is_a_cluster(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": dict(BASE)}))
    own = {"slm:targets": {"laptop": {"kind": "kubernetes", "kubeconfig": "~/.kube/config"}}}
    assert load("dev", tmp_path, {**own, "slm:images": {ROLE: OLDER}}, today=TODAY).images[ROLE] == OLDER
