"""Every row of the list of bad configurations that concerns what exists: the configuration, and what the user is told.

The numbers are those of the list in docs/security.md. The others are in `LATER` and `ELSEWHERE`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from components.settings import SettingsError, passphrase_problem
from tests.unit.settings_base import DIGEST, GONE, HOST_KEY, load_changed, load_text

pytestmark = pytest.mark.unit

HUB = {"kind": "huggingface", "repo": "Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF", "revision": "e" * 40, "file": "a.gguf"}
POOLS = {"gpu": {"vm_size": "Standard_NC4as_T4_v3", "gpus": 1}}
ON_KUBERNETES = {"targets": {"laptop": {"kind": "kubernetes", "kubeconfig": "/etc/k3s.yaml"}}}
HUB_TOKEN, KEY, RANDOM = "hf_" + "Ab1" * 10, "sk-" + "a1B2" * 8, "q7Zk2Vd9Lw4Xb8Ty1Rm5Gp3Hs6Nc0JfUeQa"
PEM = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n-----END OPENSSH PRIVATE KEY-----"


def chat(**fields: Any) -> dict[str, Any]:
    return {"engines": {"chat": fields}}


def gateway(**fields: Any) -> dict[str, Any]:
    return {"gateway": fields}


def laptop(**fields: Any) -> dict[str, Any]:
    return {"targets": {"laptop": fields}}


def aks(**fields: Any) -> dict[str, Any]:
    return laptop(kind="aks", location="westeurope", pools=POOLS, **fields)


def source(**fields: Any) -> dict[str, Any]:
    sources = [{k: v for k, v in {**HUB, **fields}.items() if v is not GONE}]
    return {"models": {"qwen2.5-coder-0.5b-instruct": {"weights": {"gguf-q4_k_m": {"sources": sources}}}}}


def exception(**fields: Any) -> dict[str, Any]:
    row = {"control": 13, "resource": "chat", "reason": "no systemd on this host", "expires": "2027-01-31", **fields}
    return {"security": {"exceptions": [row]}}


REJECTED: tuple[tuple[str, Mapping[str, Any], tuple[str, ...]], ...] = (
    ("1 engines is an empty list", {"engines": []}, ("slm:engines: at least one engine is required",)),
    ("1 engines is missing", {"engines": GONE}, ("slm:engines: 'engines' is missing",)),
    ("1 engines is an empty mapping", {"engines": {"chat": GONE}}, ("slm:engines: at least one engine is required",)),
    ("2 misspelt field", chat(paralel=2), ("slm:engines.chat.paralel: unknown field", "did you mean 'parallel'?")),
    (
        "2 misspelt gateway field",
        gateway(limits={"body_kb": 1}),
        ("gateway.limits.body_kb", "did you mean 'body_kib'?"),
    ),
    ("2 misspelt section", {"engine": {}}, ("slm:engine: unknown field 'engine'; did you mean 'engines'?",)),
    ("2 field of another kind", laptop(kubeconfig="/k"), ("slm:targets.laptop.kubeconfig: unknown field",)),
    ("3 unknown engine kind", chat(kind="vlm"), ("engine kind 'vlm' is unknown; did you mean 'vllm'?", "ollama")),
    (
        "3 engine without kind",
        chat(kind=GONE),
        ("slm:engines.chat: kind is missing", "must be one of external, llamacpp"),
    ),
    ("3 unknown target kind", laptop(kind="doker"), ("target kind 'doker' is unknown; did you mean 'docker'?",)),
    (
        "6 name with capitals",
        {"engines": {"Chat_1": {}}},
        ("slm:engines.Chat_1: not a usable name", "start with a letter"),
    ),
    ("6 name of 41 characters", {"engines": {"a" * 41: {}}}, ("use a-z0-9-, start with a letter, max 40",)),
    (
        "7 image by tag",
        {"images": {"ollama": "ollama/ollama:0.40.16"}},
        ("slm:images.ollama", "pin by digest: image@sha256:"),
    ),
    ("7 image without tag", {"images": {"ollama": "ollama/ollama"}}, ("pin by digest: image@sha256:…",)),
    ("7 tag latest", {"images": {"ollama": f"ollama/ollama:latest@{DIGEST}"}}, ("the tag latest says nothing",)),
    ("8 short digest", {"images": {"ollama": "ollama/ollama@sha256:abc"}}, ("digest must be 64 hex characters",)),
    ("8 short image id", {"images": {"ollama": "sha256:abc"}}, ("digest must be 64 hex characters",)),
    (
        "8 model sha256",
        {"models": {"phi4-mini": {"weights": {"gguf-q4_k_m": {"files": [{"path": "a.gguf", "sha256": "abc"}]}}}}},
        ("slm:models.phi4-mini.weights.gguf-q4_k_m.files[0].sha256: digest must be 64 hex",),
    ),
    (
        "9 foreign registry",
        {"images": {"ollama": f"evil.io/o:1.0@{DIGEST}"}},
        ("registry 'evil.io' is not in security.allow_registries",),
    ),
    (
        "10 old image",
        {"images": {"ollama": f"ollama/ollama:0.16.0@{DIGEST}"}},
        ("ollama 0.16.0 < 0.17.1 (CVE-2026-7482",),
    ),
    (
        "11 no revision",
        source(revision=GONE),
        ("slm:models.qwen2.5-coder-0.5b-instruct.weights.gguf-q4_k_m.sources[0]", "40-hex commit"),
    ),
    ("11 short revision", source(revision="ebb2015"), ("not a full commit", "40-hex commit")),
    ("12 branch", source(revision="main"), ("revision 'main': branches move; give a commit",)),
    ("13 remote code", chat(trust_remote_code=True), ("slm:engines.chat.trust_remote_code", "never run here")),
    ("14 pickle weights", source(file="model.bin"), ("only safetensors, gguf, onnx",)),
    (
        "15 hub token",
        source(token_secret=HUB_TOKEN),
        ("sources[0].token_secret: looks like a secret", "use a secret reference"),
    ),
    ("15 API key", gateway(hosts=[KEY]), ("slm:gateway.hosts[0]: looks like a secret",)),
    ("15 private key", laptop(key_file=PEM), ("slm:targets.laptop.key_file: looks like a secret",)),
    ("15 random text", chat(env={"X": RANDOM}), ("slm:engines.chat.env.X: looks like a secret",)),
    ("15 field named password", chat(password="x"), ("slm:engines.chat.password: looks like a secret",)),
    ("15 secret as a name", {"targets": {KEY: {"kind": "docker"}}}, ("slm:targets: a field name looks like a secret",)),
    ("15 keys in clear", {"apiKeys": {"key-1": "short"}}, ("slm:apiKeys: a secret in plain text",)),
    ("19 authentication off", gateway(auth=False), ("the gateway always asks for an API key",)),
    ("20 engine published", chat(bind="0.0.0.0"), ("engines are never published; expose the gateway",)),
    ("21 port 0", gateway(port=0), ("slm:gateway.port", "1-65535")),
    ("21 port 70000", gateway(port=70000), ("slm:gateway.port", "1-65535")),
    ("21 port 8000a", gateway(port="8000a"), ("slm:gateway.port", "1-65535")),
    ("21 engine port 70000", chat(port=70000), ("must be 1024-65535 (70000)",)),
    ("21 port as text", chat(port="8000"), ("slm:engines.chat.port: expected whole number, got string",)),
    ("22 engine on port 80", chat(port=80), ("slm:engines.chat.port", "ports < 1024 only on the gateway")),
    ("24 open without TLS", gateway(bind="0.0.0.0"), ("slm:gateway: bind 0.0.0.0", "TLS is required")),
    (
        "25 TLS 1.1",
        gateway(tls={"certificate": "c", "key": "k", "minimum": "1.1"}),
        ("slm:gateway.tls: TLS 1.1", "minimum 1.2"),
    ),
    ("26 certificate without key", gateway(tls={"certificate": "c"}), ("'key' is missing", "give exactly one")),
    ("27 any origin", gateway(origins=["*"]), ("slm:gateway.origins", "list exact origins")),
    ("28 rate limit 0", gateway(limits={"requests_per_minute": 0}), ("requests_per_minute", "> 0 required")),
    ("28 rate limit -1", gateway(limits={"requests_per_minute": -1}), ("requests_per_minute", "> 0 required")),
    ("29 body limit 0", gateway(limits={"body_kib": 0}), ("slm:gateway.limits.body_kib", "outside 1-102400")),
    ("29 body limit 200 MiB", gateway(limits={"body_kib": 204800}), ("slm:gateway.limits.body_kib", "100 MiB")),
    ("30 GPU where there is none", chat(gpus=1), ("slm:engines.chat.gpus", "target 'laptop' has no GPU")),
    ("31 half a GPU", chat(gpus=0.5), ("slm:engines.chat.gpus: whole GPUs only (0.5)",)),
    (
        "35 memory below the model",
        chat(memory="512Mi"),
        ("slm:engines.chat: memory limit 512Mi is below", "Set memory to"),
    ),
    ("36 unit GB with a space", chat(memory="4GB "), ("slm:engines.chat.memory", "use 4Gi")),
    ("36 unit g", chat(memory="4g"), ("slm:engines.chat.memory", "use 4Gi")),
    ("43 user 0", chat(user=0), ("slm:engines.chat.user: non-root uid required",)),
    ("43 user root", chat(user="root"), ("non-root uid required",)),
    ("44 privileged", chat(privileged=True), ("forbidden (CIS 5.5)",)),
    ("44 host network", chat(network_mode="host"), ("forbidden (CIS 5.10)",)),
    ("44 host ipc", chat(ipc="host"), ("forbidden (CIS 5.17)",)),
    ("44 docker.sock", chat(volumes=["/var/run/docker.sock:/s"]), ("forbidden (CIS 5.6, 5.32)",)),
    ("45 capability", chat(cap_add=["SYS_ADMIN"]), ("only NET_BIND_SERVICE",)),
    ("46 seccomp", chat(seccomp="unconfined"), ("forbidden (CIS 5.22)",)),
    ("47 extra arguments", chat(extra_args=["--host", "0.0.0.0"]), ("managed or forbidden flag",)),
    ("48 address by env", chat(env={"OLLAMA_HOST": "0.0.0.0"}), ("env.OLLAMA_HOST is reserved",)),
    ("48 library by env", chat(env={"LD_PRELOAD": "/x.so"}), ("env.LD_PRELOAD is reserved",)),
    (
        "49 SSH host not pinned",
        laptop(host="ssh://slm@edge"),
        ("slm:targets.laptop: host_key is missing", "pin ssh host key"),
    ),
    ("49 host key is none", laptop(host="ssh://slm@edge", host_key="ssh-ed25519 AAAA"), ("not a public SSH host key",)),
    ("50 password in address", laptop(host="ssh://slm:pa55@edge", host_key=HOST_KEY), ("use agent or key path",)),
    ("50 password field", laptop(password="pa55"), ("slm:targets.laptop.password: looks like a secret",)),
    ("51 tcp without TLS", laptop(host="tcp://10.0.0.1:2375"), ("slm:targets.laptop.host", "use ssh://")),
    (
        "52 host twice",
        {"targets": {n: {"kind": "docker", "host": "ssh://slm@edge", "host_key": HOST_KEY} for n in ("laptop", "b")}},
        ("slm:targets.b.host: host is listed twice",),
    ),
    ("53 API open to all", aks(private=False), ("slm:targets.laptop: ", "private cluster or explicit ranges")),
    (
        "53 range is everything",
        aks(private=False, authorized_ranges=["0.0.0.0/0"]),
        ("private cluster or explicit ranges",),
    ),
    ("54 no CIDR", aks(private=False, authorized_ranges=["10.0.0.0/33"]), ("'10.0.0.0/33' is no IPv4 range",)),
    ("54 host bits set", aks(private=False, authorized_ranges=["10.0.0.1/24"]), ("'10.0.0.1/24' is no IPv4 range",)),
    (
        "65 expired exception",
        exception(expires="2026-10-01"),
        ("exception for control 13 on 'chat' expired 2026-10-01",),
    ),
    ("65 unknown control", exception(control=99), ("slm:security.exceptions[0].control: must be 1-72 (99)",)),
    ("66 control character", chat(env={"X": "a\x07b"}), ("slm:engines.chat.env.X: has a control character",)),
    (
        "66 path upwards",
        {
            "models": {
                "phi4-mini": {"weights": {"gguf-q4_k_m": {"sources": [{"kind": "path", "path": "/a/../b.gguf"}]}}}
            }
        },
        ("must not contain '..'",),
    ),
    ("67 bool for text", chat(model=True), ("slm:engines.chat.model: expected string, got bool",)),
    ("67 number for text", chat(target=7), ("slm:engines.chat.target: expected string, got number",)),
    ("67 bool for a number", chat(parallel=True), ("slm:engines.chat.parallel: expected whole number, got bool",)),
    ("69 newer schema", {"version": 3}, ("schema 3 is newer than this tool (1)",)),
)


@pytest.mark.parametrize(
    ("change", "told"), [row[1:] for row in REJECTED], ids=[f"bad config {row[0]}" for row in REJECTED]
)
def test_bad_config_is_refused_in_words(change: Mapping[str, Any], told: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        load_changed(change, tmp_path)
    for words in told:
        assert words in str(refused.value)
    assert len(refused.value.problems) == 1, f"one mistake, one problem: {refused.value}"
    for secret in (HUB_TOKEN, KEY, PEM, RANDOM, "pa55", "short"):
        assert secret not in str(refused.value), "a message never repeats a secret"


BASE_TEXT = """
config:
  slm:targets: {laptop: {kind: docker}}
  slm:engines:
    chat: {kind: ollama, target: laptop, model: phi4-mini}
  slm:gateway: {target: laptop}
"""

REJECTED_TEXTS = (
    ("4 engine name twice", "    chat: {kind: ollama, target: laptop, model: phi4-mini}\n" * 2, "duplicate key 'chat'"),
    ("67 no for text", "    chat: {kind: ollama, target: no, model: phi4-mini}\n", "expected string, got bool"),
    (
        "67 octal",
        "    chat: {kind: ollama, target: laptop, model: phi4-mini, port: 0777}\n",
        "'0777' is one number to some",
    ),
    (
        "67 exponent",
        "    chat: {kind: ollama, target: laptop, model: phi4-mini, port: 1e3}\n",
        "'1e3' is one number to some",
    ),
    (
        "68 field twice",
        "    chat: {kind: ollama, kind: ollama, target: laptop, model: phi4-mini}\n",
        "duplicate key 'kind'",
    ),
    ("68 alias", "    chat: &a {kind: ollama}\n    other: *a\n", "anchors and aliases"),
    ("68 NaN", "    chat: {kind: ollama, target: laptop, model: phi4-mini, cpus: .nan}\n", "not a finite number"),
    (
        "68 huge",
        f"    chat: {{kind: ollama, target: laptop, model: phi4-mini, port: {'9' * 30}}}\n",
        "larger than 2^53",
    ),
)


@pytest.mark.parametrize(
    ("engines", "told"), [row[1:] for row in REJECTED_TEXTS], ids=[f"bad config {row[0]}" for row in REJECTED_TEXTS]
)
def test_bad_text_is_refused_with_its_line(engines: str, told: str, tmp_path: Path) -> None:
    good = "    chat: {kind: ollama, target: laptop, model: phi4-mini}\n"
    assert good in BASE_TEXT
    with pytest.raises(SettingsError, match=r"Pulumi\.dev\.yaml:[56]:\d+: ") as refused:
        load_text(BASE_TEXT.replace(good, engines), tmp_path)
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "the file is empty"),
        ("# only a comment\n", "the file is empty"),
        ("- kind: ollama\n", "a list at the top"),
        ("config:\n", "there are no settings"),
        ("config: []\n", "there are no settings"),
    ],
    ids=["bad config 69 empty file", "69 only a comment", "69 list at top", "69 empty config", "69 config is a list"],
)
def test_bad_config_69_a_file_without_settings_is_refused(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=told):
        load_text(text, tmp_path)


@pytest.mark.parametrize("name", ["vllm", "ollama"])
def test_bad_config_5_an_engine_on_kubernetes_is_not_named_like_its_own_variables(name: str, tmp_path: Path) -> None:
    engines = {"chat": GONE, name: {"kind": "ollama", "target": "laptop", "model": "phi4-mini"}}
    with pytest.raises(SettingsError, match=f"name '{name}' makes Kubernetes inject {name.upper()}_PORT"):
        load_changed({**ON_KUBERNETES, "engines": engines}, tmp_path)
    assert load_changed({"engines": engines}, tmp_path).engines[name], "on Docker the name does no harm"


@pytest.mark.parametrize("name", ["gateway-copies", "gateway-outside"])
def test_an_engine_on_kubernetes_is_not_named_like_a_service_of_the_gateway(name: str, tmp_path: Path) -> None:
    engines = {"chat": GONE, name: {"kind": "ollama", "target": "laptop", "model": "phi4-mini"}}
    with pytest.raises(SettingsError, match=f"is called '{name}' already"):
        load_changed({**ON_KUBERNETES, "engines": engines}, tmp_path)
    assert load_changed({"engines": engines}, tmp_path).engines[name], "on Docker there is no such Service"


def test_bad_config_57_production_without_a_secrets_provider_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="secretsprovider: prod without a secrets provider"):
        load_changed({"environment": "prod"}, tmp_path)
    assert load_changed({"environment": "prod"}, tmp_path, secretsprovider="passphrase")


@pytest.mark.parametrize(
    "passphrase", [None, "", "  \n", "pulumi", "changeme1234567890", "Pulumi-Passphrase-1", "x1y2z3"]
)
def test_bad_config_58_an_empty_known_or_short_passphrase_is_refused(passphrase: str | None) -> None:
    problem = passphrase_problem(passphrase)
    assert problem
    assert "refused" in problem
    assert not passphrase or len(passphrase) < 8 or passphrase not in problem


def test_bad_config_58_a_long_random_passphrase_is_accepted() -> None:
    assert passphrase_problem("correct horse battery staple") is None


LATER = {
    16: 5, 55: 5, 56: 5,  # production on AKS
    34: 4, 37: 4, 38: 4, 39: 4,  # engines with tensor parallelism and compile caches
    59: 6, 60: 6, 61: 6,  # monitoring
}  # fmt: skip
"""Row to the issue that brings what it is about. Of row 57, protection and backup come with issue 5 as well."""

ELSEWHERE = {
    62: "test_webui_settings.py",
    63: "test_webui_settings.py",
    17: "test_gateway_keys.py",
    18: "test_gateway_keys.py",
    23: "test_settings_check.py",
    32: "test_settings_clusters.py",
    64: "test_settings_clusters.py",
    # What follows the targets compute, and nobody can set it.
    33: "test_kubernetes_rollout.py",
    40: "test_docker_container.py, test_kubernetes_rollout.py: the wait, from the start-up budget",
    41: "test_kubernetes_probes.py: the grace, from pre-stop and drain",
    42: "test_kubernetes_rollout.py: test_control_35",
}


def test_no_row_of_the_list_is_forgotten() -> None:
    tested = [
        *(row[0] for row in (*REJECTED, *REJECTED_TEXTS)),
        *(name[len("test_bad_config_") :] for name in globals()),
    ]
    numbers = {int(match[0]) for name in tested if (match := re.match(r"\d+", name))}
    assert numbers | set(LATER) | set(ELSEWHERE) == set(range(1, 70))
    assert not numbers & set(LATER), "a row that is tested is not for later"
