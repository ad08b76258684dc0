"""A folder of many files from a hub: what is taken, how it is verified, and what an interruption leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.fetch_harness import FETCH, WEIGHTS, Fetch, Site, serving, sha256
from tests.unit.fetch_publishers import COMMIT, FILES, OTHERS, hub_folder, pinned, publish_folder

pytestmark = pytest.mark.unit

SECOND = "model-00002-of-00002.safetensors"
SECOND_PATH = f"/maker/tiny/resolve/{COMMIT}/{SECOND}"


@pytest.fixture
def site() -> Iterator[Site]:
    with serving(Site()) as running:
        publish_folder(running)
        yield running


@pytest.fixture
def fetch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Fetch:
    return Fetch(tmp_path, capsys)


def there(fetch: Fetch) -> dict[str, bytes]:
    """The files in the volume beside the records."""
    files = {str(p.relative_to(fetch.volume)): p for p in fetch.volume.rglob("*") if p.is_file()}
    return {path: file.read_bytes() for path, file in files.items() if not path.startswith("fetched/")}


def test_a_folder_that_is_not_looked_up_is_listed_and_only_what_holds_data_is_fetched(fetch: Fetch, site: Site) -> None:
    outcome = fetch.run_folder(hub_folder(site))
    assert outcome.code == 0, outcome.errors
    assert there(fetch) == FILES
    record = fetch.record()
    assert {path: entry["sha256"] for path, entry in record["files"].items()} == {
        p: sha256(d) for p, d in FILES.items()
    }
    assert set(record["skipped"]) == set(OTHERS)
    assert record["skipped"]["model.gguf"] == "gguf, not safetensors"
    assert "only holds data" in record["skipped"]["pytorch_model.bin"]
    assert record["revision"] == COMMIT
    assert not any(path.endswith((".bin", ".py")) for path, _ in site.requests)


def test_the_last_line_says_who_served_what_and_the_folders_own_sha256(fetch: Fetch, site: Site) -> None:
    last = fetch.run_folder(hub_folder(site)).events[-1]
    lines = "".join(f"{sha256(data)}  {path}\n" for path, data in sorted(FILES.items()))
    assert (last["event"], last["source"], last["files"]) == ("done", "huggingface", len(FILES))
    assert last["sha256"] == sha256(lines.encode()), "it is the sha256 of what `sha256sum` prints"
    assert last["bytes"] == sum(map(len, FILES.values()))


def test_progress_is_one_line_for_all_files_and_ends_complete(fetch: Fetch, site: Site) -> None:
    lines = fetch.run_folder(hub_folder(site)).of("progress")
    total = sum(map(len, FILES.values()))
    assert all(line["total"] == total and 0 <= line["done"] <= total for line in lines)
    assert (lines[-1]["done"], lines[-1]["files"]) == (total, f"{len(FILES)}/{len(FILES)}")
    assert all(line["done"] < total for line in lines[:-1]), "complete is said once, when all is verified"


def test_every_page_of_the_listing_is_read_from_the_hub_itself_with_the_token(
    fetch: Fetch, site: Site, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("hf_canary")
    source = hub_folder(site, token_file=str(tmp_path / "token"), token_secret="team")
    assert fetch.run_folder(source).code == 0
    pages = site.asked(f"/api/models/maker/tiny/tree/{COMMIT}")
    assert len(pages) == 4
    assert {page["Authorization"] for page in pages} == {"Bearer hf_canary"}


def test_a_sub_folder_loses_its_prefix(fetch: Fetch, site: Site) -> None:
    publish_folder(site, {"config.json": b"{}", "model.safetensors": WEIGHTS}, folder="cpu/int4")
    assert fetch.run_folder(hub_folder(site, folder="cpu/int4")).code == 0
    assert set(there(fetch)) == {"config.json", "model.safetensors"}


def test_a_pinned_folder_needs_no_listing_and_takes_only_what_is_named(fetch: Fetch, site: Site) -> None:
    wanted = {path: FILES[path] for path in ("config.json", SECOND)}
    assert fetch.run_folder(hub_folder(site), files=pinned(wanted)).code == 0
    assert there(fetch) == wanted
    assert not any(path.startswith("/api/") for path, _ in site.requests)


def test_a_second_run_asks_nobody(fetch: Fetch, site: Site) -> None:
    fetch.run_folder(hub_folder(site))
    site.requests.clear()
    outcome = fetch.run_folder(hub_folder(site))
    assert outcome.code == 0
    assert "already there" in outcome.of("present")[0]["message"]
    assert site.requests == []


def test_a_file_changed_after_verification_is_fetched_again_and_the_others_are_not(fetch: Fetch, site: Site) -> None:
    fetch.run_folder(hub_folder(site), files=pinned(FILES))
    (fetch.volume / "config.json").chmod(0o644)
    (fetch.volume / "config.json").write_bytes(b"{}")
    site.requests.clear()
    assert fetch.run_folder(hub_folder(site), files=pinned(FILES)).code == 0
    assert [path for path, _ in site.requests] == [f"/maker/tiny/resolve/{COMMIT}/config.json"]
    assert there(fetch) == FILES


def test_a_broken_transfer_is_resumed_where_it_broke(fetch: Fetch, site: Site) -> None:
    site.cut, site.cut_path = [300_000, 100_000], SECOND_PATH
    assert fetch.run_folder(hub_folder(site)).code == 0
    assert [h.get("Range") for h in site.asked(SECOND_PATH)] == [None, "bytes=300000-", "bytes=400000-"]
    assert there(fetch) == FILES


def test_a_run_that_failed_half_way_goes_on_with_what_is_missing(fetch: Fetch, site: Site) -> None:
    site.cut, site.cut_path = [300_000], SECOND_PATH
    site.status[SECOND_PATH] = [200, 404]
    broken = fetch.run_folder(hub_folder(site))
    assert broken.code == 4
    assert SECOND in broken.errors
    assert not (fetch.volume / "fetched/folder.json").exists(), "half a folder has no record"
    site.status.clear()
    site.requests.clear()
    assert fetch.run_folder(hub_folder(site)).code == 0
    fetched = [path for path, _ in site.requests if "/resolve/" in path]
    assert fetched == [SECOND_PATH], "what was verified is not fetched again"
    assert site.asked(SECOND_PATH)[0]["Range"] == "bytes=300000-"
    assert not (fetch.volume / "fetched/parts").exists()


def test_a_hub_without_ranges_starts_over_and_still_delivers(fetch: Fetch, site: Site) -> None:
    site.ranges, site.cut, site.cut_path = False, [300_000], SECOND_PATH
    assert fetch.run_folder(hub_folder(site)).code == 0
    assert there(fetch) == FILES


@pytest.mark.parametrize(("path", "word"), [(SECOND, "the pinned one is"), ("config.json", "git_oid")])
def test_a_corrupted_file_is_refused_and_the_next_source_serves_it(
    fetch: Fetch, site: Site, path: str, word: str
) -> None:
    good = site.files[f"/maker/tiny/resolve/{COMMIT}/{path}"]
    site.files[f"/maker/tiny/resolve/{COMMIT}/{path}"] = b"\xff" + good[1:]
    with serving(Site()) as mirror:
        publish_folder(mirror)
        outcome = fetch.run_folder(hub_folder(site), hub_folder(mirror))
        assert outcome.code == 0, outcome.errors
        assert path in [p.removeprefix(f"/maker/tiny/resolve/{COMMIT}/") for p, _ in mirror.requests]
    assert word in outcome.of("source-failed")[0]["message"]
    assert there(fetch) == FILES


def test_wrong_bytes_from_every_source_leave_no_record_and_no_such_file(fetch: Fetch, site: Site) -> None:
    site.files[SECOND_PATH] = b"\xff" + FILES[SECOND][1:]
    assert fetch.run_folder(hub_folder(site)).code == 4
    assert not (fetch.volume / SECOND).exists()
    assert not (fetch.volume / "fetched/folder.json").exists()


def test_a_pin_that_the_listing_contradicts_is_refused_before_any_file_is_fetched(fetch: Fetch, site: Site) -> None:
    files = pinned(FILES)
    files[-1] |= {"sha256": "0" * 64}
    files[0] |= {"sha256": None}
    outcome = fetch.run_folder(hub_folder(site), files=files)
    assert outcome.code == 4
    assert f"offers {SECOND} with the sha256 {sha256(FILES[SECOND])}" in outcome.errors
    assert not any("/resolve/" in path for path, _ in site.requests)


def test_sizes_that_are_not_looked_up_come_from_the_listing(fetch: Fetch, site: Site) -> None:
    assert fetch.run_folder(hub_folder(site), files=[{"path": "config.json"}, {"path": SECOND}]).code == 0
    assert set(there(fetch)) == {"config.json", SECOND}


def test_files_of_an_earlier_revision_do_not_stay_beside_the_new_ones(fetch: Fetch, site: Site) -> None:
    fetch.run_folder(hub_folder(site), files=pinned(FILES))
    only = {path: FILES[path] for path in ("config.json", SECOND)}
    assert fetch.run_folder(hub_folder(site), files=pinned(only)).code == 0
    assert there(fetch) == only


def test_while_another_revision_is_fetched_no_record_vouches_for_the_mixture(fetch: Fetch, site: Site) -> None:
    fetch.run_folder(hub_folder(site), files=pinned(FILES))
    newer = FILES | {"config.json": b'{"model_type": "tinier"}', SECOND: b"new" + FILES[SECOND]}
    publish_folder(site, newer)
    site.status[SECOND_PATH] = [404]
    assert fetch.run_folder(hub_folder(site), files=pinned(newer), streams=1).code == 4
    assert (fetch.volume / "config.json").read_bytes() == newer["config.json"]
    assert not (fetch.volume / "fetched/folder.json").exists()


def test_at_most_two_files_are_in_flight(fetch: Fetch, site: Site) -> None:
    site.slow = 0.15
    assert fetch.run_folder(hub_folder(site)).code == 0
    assert site.busiest == 2
    site.busiest = 0
    (fetch.volume / "fetched/folder.json").unlink()
    for path in FILES:
        (fetch.volume / path).unlink()
    assert fetch.run_folder(hub_folder(site), streams=1).code == 0
    assert site.busiest == 1


def test_an_unpinned_revision_is_todays_commit_of_the_main_branch_and_is_recorded(fetch: Fetch, site: Site) -> None:
    site.files["/api/models/maker/tiny/revision/main"] = json.dumps({"sha": COMMIT}).encode()
    assert fetch.run_folder(hub_folder(site, revision="unpinned")).code == 0
    assert fetch.record()["revision"] == COMMIT


def test_an_empty_file_is_a_file(fetch: Fetch, site: Site) -> None:
    publish_folder(site, {"added_tokens.json": b"", "model.safetensors": WEIGHTS}, per_page=10)
    assert fetch.run_folder(hub_folder(site)).code == 0
    assert there(fetch)["added_tokens.json"] == b""


def test_a_termination_signal_ends_it_at_once_although_a_server_is_silent(fetch: Fetch, site: Site) -> None:
    site.slow = 60
    plan = fetch.plan(
        hub_folder(site),
        layout="folder",
        format="safetensors",
        files=pinned(FILES),
        size_bytes=len(WEIGHTS),
        timeout=90,
    )
    environment = os.environ | {"PYTHONPATH": str(FETCH)}
    with subprocess.Popen(
        [sys.executable, "-m", "slm_fetch", str(plan)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        deadline = time.monotonic() + 50
        while site.busy < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert site.busy == 2
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=50)
        assert time.monotonic() - started < 2
    assert process.returncode == 143
    assert errors == b""


def quantised(tmp_path: Path, config: str) -> dict[str, str]:
    """A source of a folder with this config.json."""
    folder = tmp_path / "models/fetched/incoming"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(WEIGHTS)
    (folder / "config.json").write_text(config)
    return {"kind": "path", "path": str(folder), "origin": "/data/tiny"}


@pytest.mark.parametrize(
    ("config", "described", "said"),
    [
        ('{"quantization_config": {"quant_method": "awq"}}', None, "set quantization of these weights to awq"),
        ('{"quantization_config": {"quant_method": "awq"}}', "gptq", "quantisation awq, the model's description gptq"),
        ('{"compression_config": {"quant_method": "compressed_tensors"}}', "awq", "to compressed-tensors"),
        ("{}", "awq", "remove quantization of these weights"),
        ("{", None, "config.json is not JSON"),
    ],
)
def test_a_checkpoint_quantised_otherwise_than_described_is_refused(
    fetch: Fetch, tmp_path: Path, config: str, described: str | None, said: str
) -> None:
    outcome = fetch.run_folder(quantised(tmp_path, config), quantization=described)
    assert outcome.code != 0
    assert said in outcome.errors
    assert not (fetch.volume / "fetched/folder.json").exists(), "no record vouches for it"


@pytest.mark.parametrize(
    ("config", "described"),
    [
        ('{"quantization_config": {"quant_method": "compressed-tensors"}}', "compressed_tensors"),
        ('{"compression_config": {"quant_method": "compressed_tensors"}}', "compressed-tensors"),
        ('{"quantization_config": null}', None),
    ],
)
def test_a_checkpoint_quantised_as_described_is_taken(
    fetch: Fetch, tmp_path: Path, config: str, described: str | None
) -> None:
    assert fetch.run_folder(quantised(tmp_path, config), quantization=described).code == 0
