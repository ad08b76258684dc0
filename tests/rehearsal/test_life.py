"""The short cut of a production stack's life, as `make rehearse SHORT=1` plays it, and nothing left of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from rehearsal.life.acts import ACTS
from tools.places import CHECKOUT

pytestmark = [pytest.mark.rehearsal, pytest.mark.timeout(1800)]

SHORT = [act.name for act in ACTS if act.short]


def command(*options: str) -> list[str]:
    return [sys.executable, "-m", "rehearsal", "--stack", "prod", *options]


def belonging(folder: Path) -> list[str]:
    """Command lines of processes whose temporary files are below the folder."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        words = " ".join(process.info["cmdline"] or ())
        if str(folder) in words and process.info["pid"] != os.getpid():
            found.append(words)
    return found


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """With temporary files in a folder of our own, and somebody's real backend and cloud, which must not be reached."""
    folder = tmp_path_factory.mktemp("rehearsal")
    real = {
        "PULUMI_BACKEND_URL": "file:///nowhere", "PULUMI_CONFIG_PASSPHRASE": "", "PULUMI_ACCESS_TOKEN": "none",
        "ARM_CLIENT_ID": "none", "KUBECONFIG": "/nowhere/kubeconfig",
    }  # fmt: skip
    return {**os.environ, **real, "TMPDIR": str(folder)}


@pytest.fixture(scope="module")
def life(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The report of one life, played for all tests here."""
    report = tmp_path_factory.mktemp("report") / "prod.md"
    before = (CHECKOUT / "Pulumi.prod.yaml").read_bytes()
    done = subprocess.run(
        command("--short", "--report", str(report)), cwd=CHECKOUT, env=environment, capture_output=True, text=True
    )
    assert report.exists(), done.stdout + done.stderr
    data: dict[str, Any] = json.loads(report.with_suffix(".json").read_text())
    data |= {"code": done.returncode, "page": report.read_text(), "screen": done.stdout}
    data |= {"untouched": before == (CHECKOUT / "Pulumi.prod.yaml").read_bytes()}
    return data


def facts(life: dict[str, Any], step: str) -> dict[str, str]:
    return {label: value for one in life["steps"] if one["name"] == step for label, value in one["facts"]}


@pytest.mark.parametrize("step", SHORT)
def test_every_step_of_the_short_life_passes(life: dict[str, Any], step: str) -> None:
    one = next(one for one in life["steps"] if one["name"] == step)
    assert one["outcome"] == "passed", "\n".join([one["why"], *one["seen"]])


def test_the_command_says_that_all_went_well(life: dict[str, Any]) -> None:
    assert (life["code"], life["succeeded"]) == (0, True), life["screen"]
    assert [one["name"] for one in life["steps"]] == SHORT
    assert "All of it went well." in life["page"]


def test_the_stack_file_of_the_checkout_is_as_it_was(life: dict[str, Any]) -> None:
    assert life["untouched"]


def test_control_22_admission_refused_the_broken_pods_in_its_own_words(life: dict[str, Any]) -> None:
    assert "violates PodSecurity" in facts(life, "admission")["in the API server's words"]


def test_control_31_the_report_lists_every_allowed_connection(life: dict[str, Any]) -> None:
    found = facts(life, "network")
    assert "gateway → chat:" in found["allowed"]
    assert int(found["connections tried"]) > 100


def test_the_report_says_what_was_simulated(life: dict[str, Any]) -> None:
    truths = {part["name"]: part["truth"] for part in life["parts"]}
    assert truths["nodes, kubelets, GPUs, containers"] == "simulated"
    assert truths["program and stack file"] == "real"


def test_what_stays_in_azure_is_listed(life: dict[str, Any]) -> None:
    assert "stays in Azure" in facts(life, "destroy")


@pytest.mark.usefixtures("life")
def test_nothing_is_left_running_and_no_folder_stays(environment: dict[str, str]) -> None:
    folder = Path(environment["TMPDIR"])
    assert belonging(folder) == []
    assert [path.name for path in folder.iterdir() if path.name.startswith("slm-")] == []


def test_an_interrupted_rehearsal_ends_everything_it_started(environment: dict[str, str], tmp_path: Path) -> None:
    own = {**environment, "TMPDIR": str(tmp_path)}
    running = subprocess.Popen(
        command("--only", "up", "--report", str(tmp_path / "r.md")),
        cwd=CHECKOUT, env=own, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        end = time.monotonic() + 300
        while not any("kube-scheduler" in words for words in belonging(tmp_path)):
            assert running.poll() is None, running.stderr.read() if running.stderr else ""
            assert time.monotonic() < end, "the control plane was never started"
            time.sleep(0.5)
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=120)
    finally:
        running.kill()
        running.wait()
    assert running.returncode == 130, errors
    assert "what ran for the rehearsal was ended" in errors
    assert "Traceback" not in errors
    assert belonging(tmp_path) == []
    assert [path.name for path in tmp_path.iterdir()] == []


def test_a_stack_that_is_not_on_aks_is_refused_in_a_sentence(environment: dict[str, str]) -> None:
    done = subprocess.run(
        [*command(), "--stack", "dev"], cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1
    assert "a rehearsal plays stacks on AKS" in done.stderr
    assert "Traceback" not in done.stderr
