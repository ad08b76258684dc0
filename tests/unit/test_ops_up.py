"""What `make up` notes down about a deployment."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.settings import load
from ops.up import sources_by_model

pytestmark = pytest.mark.unit
PROJECT = Path(__file__).resolve().parents[2]
MODEL = "qwen2.5-coder-0.5b-instruct"


def test_a_models_source_is_where_its_weights_were_fetched_and_not_what_they_were_converted_from() -> None:
    images = {role: "sha256:" + "0" * 64 for role in load("engines", PROJECT).roles()}
    settings = load("engines", PROJECT, {"slm:images": images})
    jobs = [job for volume in settings.volumes() for job in volume.fill]
    fetched = [job.name for job in jobs if job.egress]
    converted = [job.name for job in jobs if not job.egress]
    assert fetched
    assert any("-to-" in name for name in converted)
    told = dict.fromkeys(fetched, "package") | dict.fromkeys(converted, "conversion of safetensors")
    assert sources_by_model(settings, told) == {MODEL: "package"}


def test_a_job_that_is_not_this_stacks_is_not_noted() -> None:
    images = {role: "sha256:" + "0" * 64 for role in load("dev", PROJECT).roles()}
    assert sources_by_model(load("dev", PROJECT, {"slm:images": images}), {"other-fetch": "package"}) == {}
