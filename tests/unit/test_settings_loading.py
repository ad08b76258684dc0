"""How a description is read: file, overlay, Pulumi's own map, and what a failure says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from components.catalog import catalog
from components.settings import Settings, SettingsError, from_pulumi_config, load, load_overlay
from tests.unit.settings_base import BASE, DIGEST, GONE, TODAY, changed, load_changed, load_text

pytestmark = pytest.mark.unit

PROJECT = Path(__file__).resolve().parents[2]
QWEN = "qwen2.5-coder-0.5b-instruct"


@pytest.mark.parametrize("stack", ["dev", "prod", "edge"])
def test_the_committed_stacks_are_valid(stack: str) -> None:
    assert load(stack, PROJECT).engines["chat"].kind == "ollama"


def test_dev_serves_the_small_model_and_prod_and_edge_serve_phi() -> None:
    assert [load(stack, PROJECT).model_of("chat").name for stack in ("dev", "prod", "edge")] == [
        QWEN,
        "phi4-mini",
        "phi4-mini",
    ]


def test_every_committed_stack_can_be_deployed_a_fleet_host_by_host() -> None:
    for stack in ("dev", "prod", "edge.berlin-1", "edge.berlin-2", "edge.oslo-1"):
        assert load(stack, PROJECT).refusals(stack) == []


def test_what_cannot_be_deployed_raises_its_reasons() -> None:
    with pytest.raises(SettingsError, match="not deployable: it describes a fleet of 3 hosts"):
        load("edge", PROJECT).require_deployable("edge")
    load("dev", PROJECT).require_deployable("dev")


def test_the_overlay_changes_only_what_it_says(tmp_path: Path) -> None:
    text = yaml.safe_dump({"config": dict(BASE)})
    settings = load_text(text, tmp_path, {"slm:gateway": {"port": 9090}, "slm:images": {"ollama": DIGEST}})
    assert (settings.gateway.port, settings.gateway.target) == (9090, "laptop")
    assert settings.images["ollama"] == DIGEST
    assert settings.images["haproxy"] == catalog().images["haproxy"].pinned


def test_the_chosen_model_replaces_the_first_engines_model(tmp_path: Path) -> None:
    text = yaml.safe_dump({"config": dict(BASE)})
    settings = load_text(text, tmp_path, {"slm:model": "phi4-mini"})
    assert settings.model_of("chat").name == "phi4-mini"


def test_an_unknown_chosen_model_is_refused_with_the_closest_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"slm:model: unknown model 'phi-mini'; did you mean 'phi4-mini'\?"):
        load_text(yaml.safe_dump({"config": dict(BASE)}), tmp_path, {"slm:model": "phi-mini"})


def test_a_stacks_own_model_needs_every_field_and_one_over_the_catalogue_only_what_differs(tmp_path: Path) -> None:
    settings = load_changed({"models": {"phi4-mini": {"context_length": 8192}}}, tmp_path)
    assert settings.models["phi4-mini"].context_length == 8192
    assert settings.models["phi4-mini"].weights == catalog().models["phi4-mini"].weights
    with pytest.raises(SettingsError) as refused:
        load_changed({"models": {"mine": {"license": "MIT"}}}, tmp_path)
    assert "slm:models.mine.weights: 'weights' is missing" in str(refused.value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"engines": {"chat": {"target": "labtop"}}},
            "engines.chat.target: unknown target 'labtop'; did you mean 'laptop'?",
        ),
        (
            {"engines": {"chat": {"model": "phi4mini"}}},
            "engines.chat.model: unknown model 'phi4mini'; did you mean 'phi4-mini'?",
        ),
        ({"gateway": {"target": "cloud"}}, "gateway.target: unknown target 'cloud'"),
        ({"images": {"olama": DIGEST}}, "images.olama: unknown image role 'olama'; did you mean 'ollama'?"),
        (
            {"engines": {"second": {"kind": "ollama", "target": "laptop", "model": QWEN}}},
            f"engines.second.model: model '{QWEN}' is already served by engine 'chat'",
        ),
        (
            {"targets": {"b": {"kind": "docker", "host": "unix:///run/b.sock"}}, "gateway": {"target": "b"}},
            "gateway.target: the gateway on 'b' cannot reach engines on 'laptop'",
        ),
    ],
)
def test_names_that_stand_for_nothing_are_refused(change: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        load_changed(change, tmp_path)
    assert told in str(refused.value)


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    change = {
        "engines": {"chat": {"parallel": 0, "colour": "red"}},
        "gateway": {"port": 0},
        "targets": {"laptop": {"gpus": -1}},
    }
    with pytest.raises(SettingsError) as refused:
        load_changed(change, tmp_path)
    paths = [problem.path for problem in refused.value.problems]
    assert sorted(paths) == [
        "slm:engines.chat.colour",
        "slm:engines.chat.parallel",
        "slm:gateway.port",
        "slm:targets.laptop.gpus",
    ]
    assert len(str(refused.value).splitlines()) == 5


def test_many_problems_stay_on_one_screen(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        load_changed({"engines": {"chat": {f"field{n}": 1 for n in range(99)}}}, tmp_path)
    assert len(str(refused.value).splitlines()) < 24
    assert "… and 79 more" in str(refused.value)


def test_an_unknown_stack_names_the_known_ones(tmp_path: Path) -> None:
    load_changed({}, tmp_path)
    with pytest.raises(SettingsError, match="unknown stack 'dve'; did you mean 'dev'"):
        load("dve", tmp_path)
    with pytest.raises(SettingsError, match="unknown stack"):
        load("../dev", tmp_path)


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"confg": {}, "config": dict(BASE)}, "unknown field 'confg'; did you mean 'config'?"),
        ({"config": {**BASE, "engines": {}}}, "engines: a key without its namespace is not ours — write slm:engines"),
        ({"config": {**BASE, "docker:host": "x"}}, "docker:host: 'docker' is not read: default providers are disabled"),
    ],
)
def test_what_surrounds_the_settings_is_checked_too(document: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        load_text(yaml.safe_dump(document), tmp_path)
    assert told in str(refused.value)


def test_encrypted_values_are_never_looked_at(tmp_path: Path) -> None:
    config = {**BASE, "slm:apiKeys": {"secure": "v1:abc:def"}, "slm:hubToken": {"secure": "v1:abc"}}
    assert load_text(yaml.safe_dump({"config": config, "encryptionsalt": "v1:x"}), tmp_path).engines


def test_the_machines_own_file_gives_its_choices_without_secrets(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.dev.yaml"
    assert load_overlay(path) == {}
    path.write_text(
        yaml.safe_dump(
            {
                "encryptionsalt": "v1:x",
                "config": {
                    "slm:model": "phi4-mini",
                    "slm:apiKeys": {"secure": "v1:a:b"},
                    "slm:images": {"fetch": DIGEST},
                    "pulumi:disable-default-providers": ["*"],
                },
            }
        )
    )
    assert load_overlay(path) == {"slm:model": "phi4-mini", "slm:images": {"fetch": DIGEST}}


def test_pulumis_own_map_is_an_overlay_and_its_secrets_are_skipped(tmp_path: Path) -> None:
    load_changed({}, tmp_path)
    raw = {
        "slm:apiKeys": "[secret]",
        "slm:model": "phi4-mini",
        "slm:gateway": '{"port": 9090}',
        "slm:images": json.dumps({"fetch": DIGEST}),
        "pulumi:disable-default-providers": '["*"]',
    }
    settings = from_pulumi_config("dev", tmp_path, raw, {"slm:apiKeys"})
    assert settings.gateway.port == 9090
    assert settings.model_of("chat").name == "phi4-mini"
    assert settings.unprepared() == []


def test_an_api_key_that_pulumi_has_in_clear_is_refused(tmp_path: Path) -> None:
    load_changed({}, tmp_path)
    key = "slm-" + "a1B2" * 8
    with pytest.raises(SettingsError, match="looks like a secret") as refused:
        from_pulumi_config("dev", tmp_path, {"slm:apiKeys": json.dumps({"key-1": key})}, set())
    assert key not in str(refused.value)


@pytest.mark.parametrize("text", ["{port: 9090", '{"port": 1, "port": 2}', "NaN,"])
def test_a_value_of_pulumis_map_that_is_no_json_is_named(text: str, tmp_path: Path) -> None:
    load_changed({}, tmp_path)
    with pytest.raises(SettingsError, match="slm:gateway: the value in Pulumi's configuration is no JSON object"):
        from_pulumi_config("dev", tmp_path, {"slm:gateway": text}, set())


def test_production_refuses_what_is_not_pinned_and_names_the_command(tmp_path: Path) -> None:
    sources = [{"kind": "ollama", "name": "phi4-mini", "tag": "latest"}]
    loose = {"models": {QWEN: {"weights": {"gguf-q4_k_m": {"sources": sources}}}}}
    settings = load_changed({**loose, "environment": "prod"}, tmp_path, secretsprovider="passphrase")
    (reason,) = settings.refusals("dev")
    assert "phi4-mini:latest" in reason
    assert reason.endswith("refused in production — make pin STACK=dev")
    in_dev = load_changed(loose, tmp_path)
    assert in_dev.refusals("dev") == []
    assert in_dev.unpinned()


def test_an_image_built_here_counts_as_pinned_and_one_never_built_as_unprepared(tmp_path: Path) -> None:
    assert load_changed({}, tmp_path).unprepared() == ["fetch"]
    assert load_changed({"images": {"fetch": DIGEST}}, tmp_path).unprepared() == []


def test_an_exception_holds_until_its_date(tmp_path: Path) -> None:
    row = {"control": 13, "resource": "chat", "reason": "no systemd here", "expires": TODAY.isoformat()}
    settings = load_changed({"security": {"exceptions": [row]}}, tmp_path)
    assert settings.security.exceptions[0].expires == TODAY


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12) | st.just("laptop"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
PLACES = st.sampled_from(
    [
        ("engines",),
        ("engines", "chat"),
        ("engines", "chat", "env"),
        ("engines", "chat", "kind"),
        ("targets",),
        ("targets", "laptop"),
        ("targets", "laptop", "host"),
        ("gateway",),
        ("gateway", "limits"),
        ("gateway", "port"),
        ("gateway", "tls"),
        ("models", QWEN),
        ("models", QWEN, "weights", "gguf-q4_k_m", "sources"),
        ("models", "own"),
        ("images",),
        ("images", "ollama"),
        ("security",),
        ("security", "exceptions"),
        ("site",),
        ("model",),
        ("version",),
    ]
)


@given(place=PLACES, value=VALUES)
@hypothesis_settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_stands_anywhere_gives_settings_or_sentences(
    place: tuple[str, ...], value: Any, tmp_path: Path
) -> None:
    config = changed({})
    here = config
    for key in (f"slm:{place[0]}", *place[1:])[:-1]:
        here[key] = dict(here.get(key, {}))
        here = here[key]
    here[(f"slm:{place[0]}", *place[1:])[-1]] = value
    (tmp_path / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": dict(BASE)}))
    outcome = _settings_or_error(tmp_path, config)
    if isinstance(outcome, SettingsError):
        assert outcome.problems
        assert all(problem.path and problem.what for problem in outcome.problems)
        assert "pydantic" not in str(outcome)


def _settings_or_error(directory: Path, overlay: dict[str, Any]) -> Settings | SettingsError:
    try:
        return load("dev", directory, overlay, today=TODAY)
    except SettingsError as error:
        return error


def test_a_missing_section_is_told_like_any_field(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="slm:gateway: 'gateway' is missing — add it"):
        load_changed({"gateway": GONE}, tmp_path)
