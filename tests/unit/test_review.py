"""Review stacks: their settings, their ports, their description, what the pull request is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from components.settings import SettingsError, load
from components.settings.review import Review, pull_request_of, stack_of
from ops.errors import UserError
from ops.review import description, host_ports, ports
from ops.review.rules import Rules, rules
from ops.review.told import MARKER, Told, gone
from tests.unit.settings_base import load_changed

pytestmark = pytest.mark.unit
PROJECT = Path(__file__).resolve().parents[2]
WHOLE = {
    "owner": "anna",
    "pull_request": 12,
    "created": "2026-11-27T10:00:00+00:00",
    "expires": "2026-11-29T10:00:00+00:00",
}
REVIEW = Review.model_validate(WHOLE)
KUBERNETES = {
    "targets": {"laptop": {"kind": "kubernetes", "kubeconfig": "~/.kube/config", "namespace": "models", "nodes": 2}}
}


def free(*busy: int) -> Any:
    return lambda port: port in busy


def test_a_review_is_a_setting_of_its_stack_and_survives_the_way_through_configuration(tmp_path: Path) -> None:
    settings = load_changed({"review": REVIEW.told()}, tmp_path)
    assert settings.review == REVIEW
    assert REVIEW.told() == {**WHOLE, "base": "dev"}
    assert yaml.safe_load(yaml.safe_dump(REVIEW.told())) == REVIEW.told(), "times stay text"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"owner": "anna; rm -rf /"}, "owner"),
        ({"owner": ""}, "owner"),
        ({"pull_request": 0}, "pull_request"),
        ({"expires": WHOLE["created"]}, "not after created"),
        ({"expires": "tomorrow"}, "not a time"),
        ({"expires": "2026-11-29T10:00:00"}, "without its zone"),
        ({"host": "a b"}, "host"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_review_that_says_nothing_useful_is_refused(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=words):
        load_changed({"review": {**WHOLE, **change}}, tmp_path)


@pytest.mark.parametrize("name", ["dependabot[bot]", "a", "a-b", "A1"])
def test_accounts_of_people_and_of_programs_are_owners(name: str) -> None:
    assert Review.model_validate({**WHOLE, "owner": name}).owner == name


@given(st.integers(1, 10**9))
def test_a_stacks_name_leads_back_to_its_pull_request(number: int) -> None:
    assert pull_request_of(stack_of(number)) == number


@pytest.mark.parametrize("name", ["pr-", "pr-0", "pr-01", "pr-1x", "xpr-1", "prod", "pr-1.berlin", "pr-12345678901"])
def test_other_names_are_of_no_pull_request(name: str) -> None:
    assert pull_request_of(name) is None


def test_ports_are_the_same_every_time_and_no_two_pull_requests_share_one() -> None:
    known = Rules()
    assert ports.choose(12, free(), known) == ports.choose(12, free(), known) == [20048, 20049, 20050, 20051]
    given_out = [port for number in range(1, 2501) for port in ports.choose(number, free(), known)]
    assert len(set(given_out)) == len(given_out)


def test_a_taken_port_leads_to_the_next_block_and_a_stack_keeps_what_it_has() -> None:
    known = Rules()
    assert ports.choose(12, free(20049), known)[0] == 20052
    assert ports.choose(12, free(), known, now=20052)[0] == 20052, "an update does not move it back"
    assert ports.choose(12, free(20053), known, now=20052)[0] == 20056
    assert ports.choose(12, free(), known, now=8080)[0] == 20048
    assert ports.choose(2499, free(29996), known)[0] == 20000, "after the last block comes the first"


def test_without_a_free_block_it_says_so() -> None:
    with pytest.raises(UserError, match="all 2500 blocks"):
        ports.choose(12, lambda _: True, Rules())


def test_a_review_stack_of_dev_is_dev_with_ports_of_its_own(tmp_path: Path) -> None:
    document, settings = description.base_document("dev", PROJECT), load("dev", PROJECT)
    description.usable(settings, "dev")
    made = description.described({**document, "encryptionsalt": "v1:x"}, settings, 12, [20048, 20049, 20050, 20051])
    path = description.write(tmp_path, "dev", made, 12)
    assert path.read_text().startswith("# The review stack of a pull request")
    assert "encryptionsalt" not in made
    found = load("pr-12", tmp_path)
    assert found.gateway.port == 20048
    assert found.monitoring
    assert found.monitoring.grafana
    assert found.monitoring.grafana.port == 20050
    expected = settings.model_dump(exclude={"gateway": {"port"}, "monitoring": {"grafana": {"port"}}})
    assert found.model_dump(exclude={"gateway": {"port"}, "monitoring": {"grafana": {"port"}}}) == expected
    assert sorted(host_ports.described(path)) == [20048, 20050]


def test_a_page_that_the_base_has_not_gets_no_port() -> None:
    config = {"slm:gateway": {}, "slm:monitoring": {"grafana": None}}
    assert ports.published(config, [1, 2, 3, 4]) == {"slm:gateway": {"port": 1}}


def test_on_a_cluster_it_has_a_namespace_of_its_own_and_nothing_is_kept(tmp_path: Path) -> None:
    settings = load_changed(KUBERNETES, tmp_path)
    document = {"config": {"slm:targets": KUBERNETES["targets"]}}
    made = description.described(document, settings, 12, [], "azurekeyvault://v.vault.azure.net/keys/k")
    target = made["config"]["slm:targets"]["laptop"]
    assert (target["namespace"], target["keep_volumes"]) == ("models-pr-12", False)
    assert target["kubeconfig"] == "~/.kube/config"
    assert made["secretsprovider"].startswith("azurekeyvault://")
    assert "slm:gateway" not in made["config"], "ports inside a namespace are nobody else's"


@pytest.mark.parametrize(("base", "words"), [("prod", "is production"), ("edge", "fleet of hosts")])
def test_what_serves_people_is_no_base(base: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        description.usable(load(base, PROJECT), base)


def test_the_comment_has_endpoint_and_end_and_no_key() -> None:
    told = Told(
        review=REVIEW, endpoint="http://127.0.0.1:20048/v1", models=("small",), pages=(("Grafana", "http://x"),)
    )
    text = told.markdown()
    assert text.startswith(MARKER + "\n")
    assert "`http://127.0.0.1:20048/v1`" in text
    assert "2026-11-29 10:00 UTC" in text
    assert "slm-" not in text.replace("slm-stacks", "")
    data = json.loads(told.data())
    assert (data["up"], data["endpoint"], data["expires"]) == (True, told.endpoint, WHOLE["expires"])


def test_a_failure_is_told_and_cannot_break_out_of_its_block() -> None:
    text = Told(review=REVIEW, failed="no memory\n```\n@everyone").markdown()
    assert "did not come up" in text
    assert text.count("```") == 2
    assert not json.loads(Told(review=REVIEW, failed="x").data())["up"]


def test_the_last_comment_says_what_somebody_must_do() -> None:
    assert "is removed" in gone(12, True, [])
    assert "could not be removed whole" in gone(12, False, ["x"])
    assert "- look there" in gone(12, True, ["look there"])


def test_the_committed_rules_are_the_ones_written_down() -> None:
    assert rules(PROJECT) == Rules(), "a default is in the class, and the file shows it"


def test_a_checkout_without_rules_has_the_defaults(tmp_path: Path) -> None:
    assert rules(tmp_path) == Rules()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hours: 200", "longest_hours"),
        ("first_port: 65000", "65535"),
        ("hours: soon", "hours"),
        ("colour: red", "colour"),
        ("protected: [a b]", "protected"),
        ("hours: [", "broken YAML"),
    ],
)
def test_rules_that_mean_nothing_are_refused(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "review.yaml").write_text(text)
    with pytest.raises(UserError, match=words):
        rules(tmp_path)


def test_no_review_may_live_for_ever() -> None:
    with pytest.raises(ValidationError):
        Rules(longest_hours=24 * 365)
