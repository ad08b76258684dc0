"""The first deployment of a stack whose API server is private, as docs/aks.md walks it: Azure's part, then the rest."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from rehearsal.life.pulumi import forget_the_real_world
from rehearsal.life.world import World
from tools.places import CHECKOUT

pytestmark = [pytest.mark.rehearsal, pytest.mark.timeout(900)]

WALK = (CHECKOUT / "docs" / "aks.md").read_text()
FIRST = ("--exclude", "**kubernetes:**", "--exclude-dependents")
"""Options of the first command: everything but what the cluster itself is asked for."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """An empty subscription. Its temporary files are in a folder of our own."""
    with pytest.MonkeyPatch.context() as patch:
        environment = {**os.environ}
        for name in forget_the_real_world(environment):
            patch.delenv(name)
        patch.setattr("tempfile.tempdir", str(tmp_path_factory.mktemp("rehearsal")))
        with World("prod") as made:
            made.prepare_cluster()
            yield made


def test_azures_part_comes_without_asking_the_cluster_and_the_next_deployment_makes_the_rest(world: World) -> None:
    assert f"pulumi up -s prod {FIRST[0]} '{FIRST[1]}' {FIRST[2]} " in WALK
    azure = world.pulumi.play("up", "--yes", "--skip-preview", *FIRST)
    assert azure.succeeded, azure.message()
    made = [step.kind for step in azure.steps if step.op == "create"]
    assert "azure-native:containerservice:ManagedCluster" in made
    assert [kind for kind in made if kind.startswith("kubernetes:")] == []
    assert [
        one["metadata"]["name"] for one in world.api.items("/api/v1/namespaces") if "slm" in one["metadata"]["name"]
    ] == []

    rest = world.pulumi.play("up", "--yes", "--skip-preview")
    assert rest.succeeded, rest.message()
    made = [step.kind for step in rest.steps if step.op == "create"]
    assert "kubernetes:core/v1:Namespace" in made
    assert [kind for kind in made if kind.startswith("azure-native:") and "Federated" not in kind] == []
    after = world.pulumi.play("preview")
    assert set(after.changes) == {"same"}, after.changes
