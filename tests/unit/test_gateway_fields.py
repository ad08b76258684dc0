"""The table of refused fields: what it covers, and how it gets into the configuration."""

from __future__ import annotations

import json
import re
from typing import get_args

import pytest

from components.engines.base import Capability
from components.gateway import Gateway, Route, render
from components.gateway.fields import RULES, rules_for

pytestmark = pytest.mark.unit

PATHS = (("POST", "/v1/chat/completions"), ("POST", "/v1/completions"))
OWN_PATH = {"chat", "completions", "embeddings", "responses"}
"""Capabilities that are a path of their own, which an engine without them does not list."""


def rendered(**more: object) -> str:
    fields = {"name": "chat", "model": "qwen", "host": "chat", "port": 8000, "concurrency": 2, "paths": PATHS}
    return render(Gateway(target="local"), [Route.model_validate(fields | more)])


def test_every_capability_is_a_path_or_a_refused_field() -> None:
    assert {rule.capability for rule in RULES if rule.capability} == set(get_args(Capability)) - OWN_PATH


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.capability or 'all'}-{rule.field}")
def test_a_refusal_names_its_field_and_what_to_do(rule) -> None:  # type: ignore[no-untyped-def]
    error = json.loads(rule.refusal.body)["error"]
    assert error["param"] == rule.field
    assert rule.field in error["message"]
    assert rule.refusal.status == 400
    assert error["code"] == ("unsupported_parameter" if rule.capability else "invalid_parameter")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.capability or 'all'}-{rule.field}")
def test_conditions_can_stand_behind_another(rule) -> None:  # type: ignore[no-untyped-def]
    assert not re.search(r"(^| )(or|\|\|)( |$)", rule.condition), "the test before it would bind to one part only"


def test_an_engine_that_lacks_nothing_has_no_rule_of_its_own() -> None:
    assert rules_for(()) == []
    assert "unsupported_parameter" not in rendered()
    refusing = [line for line in rendered().splitlines() if "invalid_parameter" in line]
    assert len(refusing) == sum(not rule.capability for rule in RULES)


def test_what_an_engine_lacks_is_refused_for_its_model_only() -> None:
    (line,) = (line for line in rendered(lacks=("logit_bias",)).splitlines() if "unsupported_parameter" in line)
    assert " if to_chat { req.body -m reg " in line


def test_a_context_limits_the_body_and_the_answer() -> None:
    config = rendered(context=1000)
    assert "{ req.body_size gt 8000 }" in config
    assert "json_query('$.usage.prompt_tokens') -m int ge 1000 }" in config
    assert "context_length_exceeded" not in rendered()
