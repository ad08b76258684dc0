"""A real node whose owner ends in the middle leaves nothing behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rehearsal.real_node import CannotRun, require
from rehearsal.real_node.node import remove_abandoned
from tests.kubernetes.conftest import running
from tests.kubernetes.real_stack import CHECKOUT
from tests.kubernetes.real_traces import gone, processes_of

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(600)]


@pytest.fixture(scope="module", autouse=True)
def _possible() -> None:
    try:
        require()
    except CannotRun as reason:
        pytest.skip(reason.what)


KILLED = """
import time
from rehearsal.control_plane import ControlPlane
from rehearsal.real_node import RealNode
with ControlPlane(real_nodes=True) as plane, RealNode(plane) as node:
    print(node.folder, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_node_whose_owner_is_interrupted_or_killed_leaves_nothing(how: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KILLED], cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as owner:
        try:
            assert owner.stdout is not None
            folder = Path(owner.stdout.readline().strip())
            assert folder.is_dir()
            ours = processes_of(folder)
            assert len(ours) > 6
        finally:
            owner.send_signal(how)
        owner.wait(180)
    end = time.monotonic() + 60
    while running(ours) and time.monotonic() < end:
        time.sleep(0.1)
    remove_abandoned()  # After SIGKILL only the next start can do that; after SIGINT there is nothing to do.
    gone(folder, ours)
