"""What Prometheus asks: every part of the stack, once, with the labels that rules rely on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.monitoring.rules import TARGET_LABELS
from components.monitoring.scrape import Asked, Job
from components.plan import scrape_jobs
from tests.unit.monitoring_samples import NAMES, described, planned

pytestmark = pytest.mark.unit


def documents(tmp_path: Path, **change: Any) -> dict[str, dict[str, Any]]:
    return {job.name: job.document() for job in scrape_jobs(described(tmp_path, {"grafana": None}, **change), NAMES)}


def test_every_kind_of_engine_and_every_part_has_its_job(tmp_path: Path) -> None:
    with_gpu = documents(tmp_path, targets={"laptop": {"kind": "docker", "gpus": 1}})
    assert set(with_gpu) == set(TARGET_LABELS) - {"forwarder"}
    assert set(documents(tmp_path)) == set(TARGET_LABELS) - {"dcgm", "forwarder"}


def test_engines_have_the_labels_that_rules_rely_on(tmp_path: Path) -> None:
    jobs = documents(tmp_path)
    [vllm] = jobs["vllm"]["static_configs"]
    assert vllm == {
        "targets": ["vllm:8000"],
        "labels": {"engine": "vllm", "kind": "vllm", "model": "qwen-vllm"},
    }
    for job, labels in TARGET_LABELS.items():
        for target in jobs.get(job, {}).get("static_configs", []) if "engine" in labels else []:
            assert tuple(target["labels"]) == labels


def test_ollama_is_asked_through_its_exporter(tmp_path: Path) -> None:
    job = documents(tmp_path)["ollama"]
    assert [target["labels"]["engine"] for target in job["static_configs"]] == ["chat", "ollama"]
    assert job["metrics_path"] == "/probe"
    by_label = {rule["target_label"]: rule for rule in job["relabel_configs"]}
    assert by_label["__param_target"]["source_labels"] == ["engine"]
    assert by_label["__address__"]["replacement"] == "ollama-exporter:9401"
    arguments = planned(described(tmp_path))["ollama-exporter"].workload.args
    assert arguments == ("--port", "9401", "chat=http://chat:11434", "ollama=http://ollama:11434")


def test_containers_of_other_stacks_are_let_go(tmp_path: Path) -> None:
    keep, name, drop = documents(tmp_path)["cadvisor"]["metric_relabel_configs"]
    assert keep["source_labels"] == ["__name__", "container_label_slm_stack"]
    assert keep["regex"].endswith("container_.*;dev")
    assert name == {"source_labels": ["container_label_slm_workload"], "regex": "(.+)", "target_label": "workload"}
    assert drop == {"regex": "container_label_.*", "action": "labeldrop"}


def test_copies_behind_one_name_are_each_asked() -> None:
    asked = Asked(host="chat.slm.svc.cluster.local", port=8000, labels={"engine": "chat", "model": "a$b"}, copies=True)
    document = Job(name="vllm", asked=(asked,)).document()
    assert document["dns_sd_configs"] == [{"names": ["chat.slm.svc.cluster.local"], "type": "A", "port": 8000}]
    assert document["relabel_configs"] == [
        {
            "source_labels": ["__meta_dns_name"],
            "regex": r"chat\.slm\.svc\.cluster\.local",
            "target_label": label,
            "replacement": value,
        }
        for label, value in (("engine", "chat"), ("model", "a$$b"))
    ]
    assert "static_configs" not in document
