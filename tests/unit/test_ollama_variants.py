"""Variants of an Ollama engine's model: what is asked of its API, and what is refused."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from components.gateway import Gateway, Route, render
from components.routes import route_of
from components.targets.docker.container import Names
from components.targets.placement import Scale
from components.workload import Workload
from tests.unit.models_samples import LIBRARY, gguf, model
from tests.unit.test_engine_ollama import IMAGES, ollama

pytestmark = pytest.mark.unit

CODER = {
    "system": "You write short, correct programs.",
    "parameters": {"top_k": 20, "num_predict": 512, "stop": ("END",)},
}


def importing(**variants: Any) -> Workload:
    service = ollama(variants=variants).workload("chat", model(), IMAGES)
    return service.volumes[0].fill[1]


def test_each_variant_is_asked_for_by_its_own_request_with_the_engines_model_as_its_origin() -> None:
    job = importing(**{"tiny-coder": CODER, "tiny-brief": {"parameters": {"num_predict": 64}}})
    assert job.command[-3:] == ("tiny-0.5b", "tiny-coder", "tiny-brief")
    files = {f.name: json.loads(f.content) for f in job.files if f.name.endswith(".json")}
    assert files["variant-1.json"] == {
        "model": "tiny-coder",
        "from": "tiny-0.5b",
        "system": "You write short, correct programs.",
        "parameters": {"num_thread": 2, "top_k": 20, "num_predict": 512, "stop": ["END"]},
        "stream": False,
    }
    assert files["variant-2.json"]["parameters"] == {"num_thread": 2, "num_predict": 64}
    assert not job.egress


def test_clients_may_ask_for_each_of_them_and_the_gateway_leads_all_names_to_one_engine() -> None:
    engine = ollama(variants={"tiny-coder": CODER})
    assert engine.served_models(model()) == ("tiny-0.5b", "tiny-coder")
    config = render(Gateway(target="local"), [route_of("chat", engine, model(), Names("dev"), Scale())])
    assert "acl to_chat var(txn.model) -m str tiny-0.5b\n" in config
    assert "acl to_chat var(txn.model) -m str tiny-coder\n" in config
    assert '"id": "tiny-coder"' in config
    assert config.count("\nbackend engine-") == 1


def test_two_engines_may_not_share_a_name_through_a_variant() -> None:
    one = Route(name="a", model="x", variants=("y",), host="a", port=1, concurrency=1, paths=(("POST", "/v1/x"),))
    two = one.model_copy(update={"name": "b", "model": "y", "variants": ()})
    with pytest.raises(ValueError, match="share the model 'y'"):
        render(Gateway(target="local"), [one, two])


def test_the_volume_says_when_its_jobs_must_run_again_and_keeps_its_name() -> None:
    def store(**variants: Any) -> tuple[str, str]:
        (volume,) = ollama(variants=variants).workload("chat", model(), IMAGES).volumes
        return volume.name, volume.revision

    assert store() == store()
    assert store()[0] == store(**{"tiny-coder": CODER})[0]
    assert store()[1] != store(**{"tiny-coder": CODER})[1]


def test_engines_with_one_model_under_two_names_have_a_store_each() -> None:
    names = {ollama(served_model_name=n).workload("chat", model(), IMAGES).volumes[0].name for n in (None, "a", "b")}
    assert len(names) == 3


@pytest.mark.parametrize(
    ("variants", "words"),
    [
        ({"phi4-mini-reasoning": {"system": "Think."}}, "another model of Ollama's library, with weights of its own"),
        ({"tiny-0.5b": {"system": "x"}}, "the name of the model itself"),
        ({"tiny-x": {}}, "would be the model itself"),
        ({"tiny-x": {"parameters": {"num_ctx": 8192}}}, "is not the engine's context_length 4096"),
        ({"tiny-x": {"parameters": {"temperature": 0.1}}}, "has no effect.*ollama#17744"),
        ({"tiny-x": {"parameters": {"top_p": 0.9}}}, "has no effect"),
        ({"tiny-x": {"parameters": {"top_k": 0}}}, "greater than or equal to 1"),
        ({"tiny-x": {"parameters": {"mirostat": 1}}}, "Extra inputs"),
        ({"tiny-x": {"system": ""}}, "at least 1 character"),
        ({"Tiny X": {"system": "x"}}, "pattern"),
    ],
)
def test_what_would_mislead_or_do_nothing_is_refused_with_the_reason(variants: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ollama(variants=variants)


def test_a_library_name_with_something_before_it_and_the_engines_own_context_pass() -> None:
    engine = ollama(variants={"my-phi4-mini-reasoning": {"system": "Think.", "parameters": {"num_ctx": 4096}}})
    assert engine.served_models(model())[1] == "my-phi4-mini-reasoning"


def test_a_system_prompt_that_the_template_would_drop_is_refused() -> None:
    plain = model(template="{{ .Prompt }}")
    with pytest.raises(ValueError, match="no place for a system prompt"):
        ollama(variants={"tiny-x": {"system": "Be brief."}}).workload("chat", plain, IMAGES)
    own = {"tiny-x": {"system": "Be brief.", "template": "{{ .System }} {{ .Prompt }}"}}
    assert ollama(variants=own).workload("chat", plain, IMAGES)


def test_a_file_without_any_template_is_refused_but_the_librarys_own_has_one() -> None:
    variants = {"tiny-x": {"system": "Be brief."}}
    with pytest.raises(ValueError, match="takes no chat template from a GGUF file"):
        ollama(variants=variants).workload("chat", model(template=None), IMAGES)
    library = model(template=None, weights={"gguf-q4_k_m": gguf([LIBRARY])})
    assert ollama(variants=variants).workload("chat", library, IMAGES)


def run_import(folder: Path, *names: str) -> str:
    """Run the import script with a stand-in server; gives what it said and, after '>', the requests it made."""
    script = Path("components/engines/ollama_import.sh").read_text()
    script = script.replace("/etc/slm/", f"{folder}/").replace("/tmp/serve.log", f"{folder}/serve.log")
    (folder / "http.sh").write_text(
        f'ask() {{ echo "> $1 $2 $3" >>{folder}/asked\n'
        ' case $2 in *create) n=${3#*\\"model\\":\\ \\"}; mkdir -p "$M/${n%%\\"*}"; touch "$M/${n%%\\"*}/latest"'
        ' ; echo \'{"status":"success"}\' ;; *delete) n=${3#*:\\"}; rm -r "$M/${n%%\\"*}" ;; esac; }\n'
    )
    ollama_program = folder / "ollama"
    ollama_program.write_text("#!/bin/sh\nexec sleep 30\n")
    ollama_program.chmod(0o755)
    (folder / "fetched").mkdir(exist_ok=True)
    (folder / "fetched/from.json").write_text('{"files": {}}')
    (folder / "create.json").write_text(json.dumps({"model": names[0], "stream": False}))
    for number, name in enumerate(names[1:], 1):
        (folder / f"variant-{number}.json").write_text(json.dumps({"model": name, "from": names[0]}))
    asked = folder / "asked"
    asked.write_text("")
    environment = {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "OLLAMA_MODELS": str(folder),
        "M": f"{folder}/manifests/registry.ollama.ai/library",
    }
    done = subprocess.run(
        ["bash", "-c", script, "import.sh", *names], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + asked.read_text()


def test_the_import_makes_what_is_new_leaves_what_is_there_and_removes_what_is_gone(tmp_path: Path) -> None:
    first = run_import(tmp_path, "tiny", "tiny-a", "tiny-b")
    assert first.count("is imported") == 3
    assert first.count("> POST /api/create") == 3
    again = run_import(tmp_path, "tiny", "tiny-a", "tiny-b")
    assert again.count("already imported") == 3
    assert ">" not in again, "with nothing to do no server is started"
    fewer = run_import(tmp_path, "tiny", "tiny-b")
    assert "tiny-a is removed" in fewer
    assert '> DELETE /api/delete {"model":"tiny-a"}' in fewer
    assert "tiny-b is imported" not in fewer
    assert ">" not in run_import(tmp_path, "tiny", "tiny-b")
