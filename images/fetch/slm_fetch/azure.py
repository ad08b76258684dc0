"""The Azure AI Foundry model catalogue as a source: an asset of an Azure ML registry, at one version.

The steps are those of Microsoft's own SDK (azure-ai-ml 1.35.2, `_utils/_registry_utils.py` and `_model_operations.py`):
the registry's address by discovery, the model's address in Blob Storage, a signed link to it, the listing, the files.
They were run against a stand-in, never against Azure itself; what could differ there is said in README.md.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from xml.etree import ElementTree

from slm_fetch.hub import credentials
from slm_fetch.listing import MOST_ENTRIES, Offer, Tell, chosen, one
from slm_fetch.plan import Plan, SourceFailed, Wanted
from slm_fetch.report import Report
from slm_fetch.store import Found, Store
from slm_fetch.volume import md5_of_header
from slm_fetch.web import Refused, Web, place

VERSION = "2021-10-01-dataplanepreview"
"""Of the registry's API, as the SDK pins it."""
STORAGE_VERSION = "2021-12-02"
MICROSOFT = (".azureml.net", ".azureml.ms", ".ml.azure.cn", ".ml.azure.us")
"""Hosts that may get the token when discovery names them: Azure's public cloud, in China, for the US government."""
PAGES = 40

Source = dict[str, Any]


def from_azure(source: Source, plan: Plan, store: Store, report: Report) -> Found:
    """One file of an asset."""
    with _asset(source, plan, report, threading.Event()) as asset:
        folder, _, name = source["file"].rpartition("/")
        wanted = one(plan, asset.listed(folder), name, asset.name)
        part = store.partial("http", wanted.md5 or hashlib.sha256(asset.name.encode()).hexdigest())
        asset.fetch(source["file"], part, wanted.size or 0)
    return Found(part, wanted, revision=source["version"])


@contextmanager
def azure_folder(source: Source, plan: Plan, report: Report, stop: threading.Event) -> Iterator[Offer]:
    """The files of an asset, or of a folder in it."""
    with _asset(source, plan, report, stop) as asset:
        folder = source.get("folder", "").strip("/")
        files, skipped = chosen(plan, asset.listed(folder), asset.name)

        def fetch(wanted: Wanted, part: Path, tell: Tell) -> None:
            asset.fetch(f"{folder}/{wanted.path}" if folder else wanted.path, part, wanted.size or 0, tell)

        yield Offer(files, fetch, skipped, source["version"])


@contextmanager
def _asset(source: Source, plan: Plan, report: Report, stop: threading.Event) -> Iterator[Asset]:
    token, secret = credentials(source)
    with (
        Web(plan, report, token=token, secret=secret, stop=stop) as registry,
        # The storage is given the link's signature and must not see the token.
        Web(plan, report, headers={"x-ms-version": STORAGE_VERSION}, stop=stop) as storage,
    ):
        yield Asset(source, registry, storage)


class Asset:
    """One version of a model in a registry, and the container of Blob Storage that holds its files."""

    def __init__(self, source: Source, registry: Web, storage: Web) -> None:
        self.name = f"registry {source['registry']}, model {source['model']} version {source['version']}"
        self._id = f"azureml://registries/{source['registry']}/models/{source['model']}/versions/{source['version']}"
        self._source, self._registry, self._storage = source, registry, storage
        self._endpoint = (source.get("endpoint") or f"https://{source['region']}.api.azureml.ms").rstrip("/")
        self._base = self._discovered()
        query = f"?api-version={VERSION}"
        version = f"models/{quote(source['model'])}/versions/{quote(source['version'])}"
        model = self._asked(f"{self._base}/{version}{query}")
        self._uri = str((model.get("properties") or {}).get("modelUri") or "")
        parts = urlsplit(self._uri)
        if (
            parts.scheme not in ("http", "https")
            or len(parts.path.strip("/").split("/")) < 1
            or not parts.path.strip("/")
        ):
            raise SourceFailed(f"{self.name}: its address {self._uri[:60]!r} is not one of Blob Storage")
        self._prefix = parts.path.strip("/").partition("/")[2].strip("/")
        self._lock = threading.Lock()
        self._container, self._signature = self._signed()

    def listed(self, folder: str) -> list[Wanted]:
        """All files below a folder of the asset, by their paths below it. Raises SourceFailed."""
        prefix = "/".join(part for part in (self._prefix, folder) if part)
        prefix += "/" if prefix else ""
        files, marker = list[Wanted](), ""
        for _page in range(PAGES):
            query = {"restype": "container", "comp": "list", "prefix": prefix} | ({"marker": marker} if marker else {})
            content = self._storage.small(_with(self._container, urlencode(query), self._signature))
            listing = _xml(content, self._container)
            files += [_blob(blob, prefix, self._container) for blob in listing.iterfind("./Blobs/Blob")]
            marker = listing.findtext("NextMarker") or ""
            if not marker:
                return files
            if len(files) > MOST_ENTRIES:
                break
        raise SourceFailed(f"{self.name} lists too many files; name a folder in it")

    def fetch(self, path: str, part: Path, size: int, tell: Tell | None = None) -> None:
        """Complete the partial file of one of the asset's files. Raises SourceFailed."""
        blob = "/".join(part for part in (self._prefix, path) if part)
        signature = self._signature
        for attempt in range(3):
            try:
                url = _with(f"{self._container}/{quote(blob)}", "", signature)
                return self._storage.download(url, part, size, tell)
            except Refused:
                if attempt == 2 or not signature:
                    raise SourceFailed(
                        f"the storage of {self.name} refuses its own link to {path}: it ran out, or this network may"
                        " not reach the storage account"
                    ) from None
                signature = self._renewed(signature)
        raise AssertionError("the last attempt returns or raises")

    def _renewed(self, old: str) -> str:
        """A new signature, asked for once when several transfers meet the end of the old one."""
        with self._lock:
            if self._signature == old:
                self._container, self._signature = self._signed()
            return self._signature

    def _discovered(self) -> str:
        """The address of the registry's own API, below which its models are."""
        registry = quote(self._source["registry"])
        url = f"{self._endpoint}/registrymanagement/v1.0/registries/{registry}/discovery?api-version=v1.0"
        found = self._asked(url)
        try:
            subscription, group = str(found["subscriptionId"]), str(found["resourceGroup"])
            service = self._source.get("service") or str(found["primaryRegionResourceProviderUri"])
        except KeyError as error:
            raise SourceFailed(f"{place(url)} does not say {error}; is the endpoint an Azure ML one?") from None
        host, own = urlsplit(service), urlsplit(self._endpoint)
        trusted = host.scheme == "https" and f".{host.hostname}".endswith(MICROSOFT)
        if not trusted and not self._source.get("service") and host[:2] != own[:2]:
            raise SourceFailed(
                f"{place(url)} sends us to {place(service)}, which is no address of Azure ML: the token stays here."
                " Name it in 'service' if it is right"
            )
        return (
            f"{service.rstrip('/')}/mferp/managementfrontend/subscriptions/{quote(subscription)}/resourceGroups/"
            f"{quote(group)}/providers/Microsoft.MachineLearningServices/registries/{registry}"
        )

    def _signed(self) -> tuple[str, str]:
        """The container's address and the signature that opens it; "" for one that is open to all."""
        source = self._source
        url = (
            f"{self._base}/datarefs/{quote(source['model'])}/versions/{quote(source['version'])}?api-version={VERSION}"
        )
        answer = self._asked(url, {"assetId": self._id, "blobUri": self._uri})
        given = answer.get("blobReferenceForConsumption") or {}
        credential = given.get("credential") or {}
        kind = str(credential.get("credentialType"))
        if kind.replace("_", "").lower() == "nocredentials":
            address = str(given.get("blobUri") or self._uri)
        else:
            address = str(credential.get("sasUri") or "")
        parts = urlsplit(address)
        container = parts.path.strip("/").partition("/")[0]
        if parts.scheme not in ("http", "https") or not container:
            raise SourceFailed(f"{self.name}: its files are given with credentials of kind {kind}, not with a link")
        return f"{parts.scheme}://{parts.netloc}/{container}", parts.query

    def _asked(self, url: str, body: dict[str, str] | None = None) -> dict[str, Any]:
        content, _ = self._registry.answer(url, {"Accept": "application/json"}, body=body)
        try:
            data = json.loads(content)
        except ValueError:
            data = None
        if not isinstance(data, dict):
            raise SourceFailed(f"{place(url)} did not answer as Azure ML does; is the endpoint right?")
        return data


def _with(url: str, query: str, signature: str) -> str:
    both = "&".join(part for part in (query, signature) if part)
    return f"{url}?{both}" if both else url


def _xml(content: bytes, url: str) -> ElementTree.Element:
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise SourceFailed(f"{place(url)} sent a listing with definitions of its own: not read")
    try:
        return ElementTree.fromstring(content)  # noqa: S314 - it defines no entities, see above
    except ElementTree.ParseError:
        raise SourceFailed(f"{place(url)} did not answer as Blob Storage does") from None


def _blob(blob: ElementTree.Element, prefix: str, url: str) -> Wanted:
    name, size = blob.findtext("Name") or "", blob.findtext("Properties/Content-Length") or ""
    if not name.startswith(prefix) or not size.isdecimal():
        raise SourceFailed(f"{place(url)} lists {name[:80]!r}, which is not below {prefix}: nothing is taken")
    return Wanted(name[len(prefix) :], int(size), md5=md5_of_header(blob.findtext("Properties/Content-MD5")))
