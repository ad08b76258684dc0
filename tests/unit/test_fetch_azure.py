"""The Azure AI Foundry catalogue as a source, against a stand-in that follows the calls of Microsoft's SDK."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.fetch_harness import WEIGHTS, Fetch, Outcome, Site, serving, sha256
from tests.unit.fetch_publishers import (
    API,
    DATAREFS,
    FILES,
    OTHERS,
    REGISTRY,
    SIGNATURE,
    azure,
    pinned,
    publish_azure,
)

pytestmark = pytest.mark.unit

MODEL = f"{API}/models/Tiny-Model/versions/3"
CONFIG = "/container1/INT/weights/config.json"


@pytest.fixture
def storage() -> Iterator[Site]:
    with serving(Site()) as running:
        yield running


@pytest.fixture
def site(storage: Site) -> Iterator[Site]:
    with serving(Site()) as running:
        publish_azure(running, storage=storage)
        yield running


@pytest.fixture
def fetch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Fetch:
    return Fetch(tmp_path, capsys)


@pytest.fixture
def token(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "token").write_text("eyJcanaryTOKEN\n")
    return {"token_file": str(tmp_path / "token"), "token_secret": "foundry-token"}


def silent(outcome: Outcome) -> bool:
    """Whether neither token nor signature was said."""
    return "canary" not in (outcome.output + outcome.errors).lower()


def test_an_assets_folder_is_listed_page_by_page_and_fetched(
    fetch: Fetch, site: Site, storage: Site, token: dict[str, str]
) -> None:
    outcome = fetch.run_folder(azure(site, **token))
    assert outcome.code == 0, outcome.errors
    record = fetch.record()
    assert {path: entry["sha256"] for path, entry in record["files"].items()} == {
        p: sha256(d) for p, d in FILES.items()
    }
    assert set(record["skipped"]) == set(OTHERS)
    assert (record["source"], record["revision"]) == ("azure", "3")
    assert (fetch.volume / "model-00002-of-00002.safetensors").read_bytes() == FILES["model-00002-of-00002.safetensors"]
    assert silent(outcome)


def test_the_calls_are_those_of_the_sdk(fetch: Fetch, site: Site, storage: Site, token: dict[str, str]) -> None:
    fetch.run_folder(azure(site, **token))
    preview = "?api-version=2021-10-01-dataplanepreview"
    assert site.queries == [
        f"{REGISTRY}?api-version=v1.0",
        f"{MODEL}{preview}",
        f"POST {DATAREFS.removeprefix('POST ')}{preview}",
    ]
    assert json.loads(site.posted[0]) == {
        "assetId": "azureml://registries/azureml/models/Tiny-Model/versions/3",
        "blobUri": f"{storage.url}/container1/INT/weights",
    }
    assert all(query.endswith(SIGNATURE) for query in storage.queries)


def test_the_registry_gets_the_token_and_the_storage_only_the_links_signature(
    fetch: Fetch, site: Site, storage: Site, token: dict[str, str]
) -> None:
    fetch.run_folder(azure(site, **token))
    assert {headers.get("Authorization") for _, headers in site.requests} == {"Bearer eyJcanaryTOKEN"}
    assert {headers.get("Authorization") for _, headers in storage.requests} == {None}
    assert not any("sig=" in query for query in site.queries)


def test_a_container_that_is_open_to_all_needs_no_signature(fetch: Fetch, site: Site, storage: Site) -> None:
    publish_azure(site, storage=storage, credential="NoCredentials")
    assert fetch.run_folder(azure(site)).code == 0
    assert not any("sig=" in query for query in storage.queries)


def test_one_file_of_an_asset_serves_the_layouts_with_one_file(fetch: Fetch, site: Site, storage: Site) -> None:
    publish_azure(site, {"gguf/Tiny.Q4.gguf": WEIGHTS, "README.md": b"#"}, storage=storage)
    # The stand-in answers a listing by its whole address, and this one asks below the folder.
    whole = next(url for url in storage.files if "comp=list" in url)
    storage.files[whole.replace("weights%2F", "weights%2Fgguf%2F")] = storage.files[whole].replace(
        b"<Blob><Name>INT/weights/README.md", b"<Blob><Name>INT/weights/gguf/README.md"
    )
    outcome = fetch.run(azure(site, file="gguf/Tiny.Q4.gguf"))
    assert outcome.code == 0, outcome.errors
    assert fetch.blob.read_bytes() == WEIGHTS
    assert outcome.events[-1]["source"] == "azure"


def test_a_link_that_runs_out_is_asked_for_again_and_the_transfer_goes_on(
    fetch: Fetch, site: Site, storage: Site
) -> None:
    storage.status[CONFIG] = [403, 200]
    assert fetch.run_folder(azure(site)).code == 0
    assert len(site.posted) == 2
    assert (fetch.volume / "config.json").read_bytes() == FILES["config.json"]


def test_a_storage_that_refuses_every_link_is_given_up_with_the_likely_reason(
    fetch: Fetch, site: Site, storage: Site
) -> None:
    storage.status[CONFIG] = [403]
    outcome = fetch.run_folder(azure(site))
    assert outcome.code == 4
    assert "may not reach the storage account" in outcome.errors
    assert len(site.posted) == 3
    assert silent(outcome)


@pytest.mark.parametrize("path", [REGISTRY, MODEL, DATAREFS])
@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_names_its_secret_and_is_asked_once(
    fetch: Fetch, site: Site, token: dict[str, str], path: str, status: int
) -> None:
    site.status[path] = [status]
    outcome = fetch.run_folder(azure(site, **token))
    assert outcome.code == 4
    assert "foundry-token" in outcome.errors
    assert len(site.asked(path)) == 1
    assert silent(outcome)


def test_the_token_does_not_follow_discovery_to_a_stranger(
    fetch: Fetch, site: Site, storage: Site, token: dict[str, str]
) -> None:
    facts = json.loads(site.files[REGISTRY])
    site.files[REGISTRY] = json.dumps(facts | {"primaryRegionResourceProviderUri": f"{storage.url}/"}).encode()
    outcome = fetch.run_folder(azure(site, **token))
    assert outcome.code == 4
    assert "the token stays here" in outcome.errors
    assert storage.requests == []


def test_an_address_that_the_description_names_replaces_the_discovered_one(
    fetch: Fetch, site: Site, storage: Site
) -> None:
    facts = json.loads(site.files[REGISTRY])
    site.files[REGISTRY] = json.dumps(facts | {"primaryRegionResourceProviderUri": "https://x.example/"}).encode()
    assert fetch.run_folder(azure(site, service=site.url)).code == 0


def test_bytes_other_than_the_pinned_ones_are_refused_though_azures_own_md5_fits(
    fetch: Fetch, site: Site, storage: Site
) -> None:
    files = pinned(FILES)
    publish_azure(site, FILES | {"config.json": b'{"model_type": "TINY"}'}, storage=storage)
    outcome = fetch.run_folder(azure(site), files=files)
    assert outcome.code == 4
    assert "the pinned one is" in outcome.errors
    assert not (fetch.volume / "config.json").exists()


def test_damage_on_the_way_is_noticed_by_md5_where_nothing_is_pinned(fetch: Fetch, site: Site, storage: Site) -> None:
    storage.files[CONFIG] = b"X" + FILES["config.json"][1:]
    outcome = fetch.run_folder(azure(site))
    assert outcome.code == 4
    assert "md5" in outcome.errors


def test_without_md5_what_arrived_is_still_recorded_and_not_fetched_twice(
    fetch: Fetch, site: Site, storage: Site
) -> None:
    publish_azure(site, storage=storage, md5=False)
    last = "/container1/INT/weights/model-00002-of-00002.safetensors"
    storage.status[last] = [404]
    # One after the other: a failure ends the files that are on their way beside it.
    assert fetch.run_folder(azure(site), streams=1).code == 4
    storage.status.clear()
    storage.requests.clear()
    assert fetch.run_folder(azure(site)).code == 0
    assert [path for path, _ in storage.requests if path != "/container1"] == [last]


@pytest.mark.parametrize(
    ("path", "content", "words"),
    [
        (REGISTRY, b"<html>log in</html>", "is the endpoint right"),
        (REGISTRY, b"{}", "is the endpoint an Azure ML one"),
        (MODEL, b'{"properties": {}}', "is not one of Blob Storage"),
        (MODEL, b'{"properties": {"modelUri": "azureml://datastores/x"}}', "is not one of Blob Storage"),
        (
            DATAREFS,
            b'{"blobReferenceForConsumption": {"credential": {"credentialType": "ManagedIdentity"}}}',
            "kind Man",
        ),
    ],
)
def test_an_answer_of_another_kind_is_a_sentence(
    fetch: Fetch, site: Site, path: str, content: bytes, words: str
) -> None:
    site.files[path] = content
    outcome = fetch.run_folder(azure(site))
    assert outcome.code == 4
    assert words in outcome.errors
    assert "Traceback" not in outcome.errors


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<html><br></html>", "did not answer as Blob Storage does"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><EnumerationResults/>', "definitions of its own"),
        (
            b"<EnumerationResults><Blobs><Blob><Name>INT/weights/../../x.json</Name><Properties><Content-Length>1"
            b"</Content-Length></Properties></Blob></Blobs></EnumerationResults>",
            "leaves its folder",
        ),
        (
            b"<EnumerationResults><Blobs><Blob><Name>other/x.json</Name><Properties><Content-Length>1"
            b"</Content-Length></Properties></Blob></Blobs></EnumerationResults>",
            "not below INT/weights/",
        ),
    ],
)
def test_a_listing_that_is_none_or_leads_elsewhere_is_refused(
    fetch: Fetch, site: Site, storage: Site, content: bytes, words: str
) -> None:
    for url in [url for url in storage.files if "comp=list" in url]:
        storage.files[url] = content
    outcome = fetch.run_folder(azure(site))
    assert outcome.code == 4
    assert words in outcome.errors
    assert set(fetch.volume.iterdir()) == {fetch.volume / "fetched"}
