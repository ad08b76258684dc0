"""Folders of weights as a hub and as Azure publish them, on the small web server of fetch_harness."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape

from tests.unit.fetch_harness import WEIGHTS, Site, sha256

COMMIT = "c" * 40
FILES: dict[str, bytes] = {
    "config.json": b'{"model_type": "tiny"}',
    "tokenizer.json": b'{"version": "1.0"}',
    "onnx/readme.txt": b"two\n",
    "model-00001-of-00002.safetensors": WEIGHTS[: len(WEIGHTS) // 2],
    "model-00002-of-00002.safetensors": WEIGHTS[len(WEIGHTS) // 2 :] + b"end",
}
"""What a checkpoint holds that may be fetched."""
OTHERS: dict[str, bytes] = {
    "pytorch_model.bin": b"\x80\x04",
    "modeling_tiny.py": b"raise SystemExit",
    ".gitattributes": b"*",
    "README.md": b"# Tiny",
    "model.gguf": b"GGUF",
}
"""What lies beside it and may not, or is not meant."""


def pinned(files: dict[str, bytes]) -> list[dict[str, Any]]:
    """The files as a plan has them once `make pin` looked them up."""
    return [{"path": p, "size_bytes": len(d), "sha256": sha256(d)} for p, d in files.items()]


def entry(path: str, data: bytes) -> dict[str, Any]:
    """One file in a hub's listing: git's own SHA-1, and the sha256 of what is stored outside of git."""
    oid = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    found: dict[str, Any] = {"type": "file", "path": path, "size": len(data), "oid": oid}
    if path.endswith((".safetensors", ".gguf", ".bin", ".onnx", ".data")):
        found["lfs"] = {"oid": sha256(data), "size": len(data), "pointerSize": 130}
    return found


def publish_folder(
    site: Site,
    files: dict[str, bytes] | None = None,
    *,
    folder: str = "",
    per_page: int = 3,
    extra: list[Any] | None = None,
) -> None:
    """Put a repository maker/tiny with these files below `folder` on the hub, its listing on several pages."""
    under = f"{folder}/" if folder else ""
    listing: list[Any] = [{"type": "directory", "path": "onnx", "size": 0, "oid": "0" * 40}]
    for path, data in (FILES | OTHERS if files is None else files).items():
        site.files[f"/maker/tiny/resolve/{COMMIT}/{under}{path}"] = data
        listing.append(entry(f"{under}{path}", data))
    listing += extra or []
    base = f"/api/models/maker/tiny/tree/{COMMIT}" + (f"/{quote(folder, safe='')}" if folder else "")
    for start in range(0, len(listing), per_page):
        url = f"{base}?recursive=true" + (f"&cursor={start}" if start else "")
        site.files[url] = json.dumps(listing[start : start + per_page]).encode()
        if start + per_page < len(listing):
            following = f"http://elsewhere.example{base}?recursive=true&cursor={start + per_page}"
            site.headers[url] = {"Link": f'<{following}>; rel="next"'}


def hub_folder(site: Site, **more: Any) -> dict[str, Any]:
    """A hub source of the whole repository."""
    return {"kind": "huggingface", "endpoint": site.url, "repo": "maker/tiny", "revision": COMMIT, "folder": ""} | more


REGISTRY = "/registrymanagement/v1.0/registries/azureml/discovery"
API = (
    "/mferp/managementfrontend/subscriptions/sub/resourceGroups/group"
    "/providers/Microsoft.MachineLearningServices/registries/azureml"
)
DATAREFS = f"POST {API}/datarefs/Tiny-Model/versions/3"
SIGNATURE = "sv=2021-12-02&sr=c&sig=canarySIGNATURE%3D"


def publish_azure(
    site: Site,
    files: dict[str, bytes] | None = None,
    *,
    storage: Site | None = None,
    per_page: int = 4,
    credential: str = "SAS",
    md5: bool = True,
) -> None:
    """Put a model Tiny-Model, version 3, into an Azure ML registry whose files lie in `storage`."""
    storage = storage or site
    site.files[REGISTRY] = json.dumps(
        {"primaryRegionResourceProviderUri": f"{site.url}/", "subscriptionId": "sub", "resourceGroup": "group"}
    ).encode()
    address = f"{storage.url}/container1/INT/weights"
    site.files[f"{API}/models/Tiny-Model/versions/3"] = json.dumps({"properties": {"modelUri": address}}).encode()
    given: dict[str, Any] = {"blobUri": address, "credential": {"credentialType": credential}}
    if credential == "SAS":
        given["credential"]["sasUri"] = f"{storage.url}/container1?{SIGNATURE}"
    site.files[DATAREFS] = json.dumps({"blobReferenceForConsumption": given}).encode()
    blobs = []
    for path, data in (FILES | OTHERS if files is None else files).items():
        storage.files[f"/container1/INT/weights/{path}"] = data
        digest = base64.b64encode(hashlib.md5(data).digest()).decode() if md5 else ""
        blobs.append(
            f"<Blob><Name>{escape(f'INT/weights/{path}')}</Name><Properties><Content-Length>{len(data)}</Content-Length>"
            f"<Content-MD5>{digest}</Content-MD5></Properties></Blob>"
        )
    signature = f"&{SIGNATURE}" if credential == "SAS" else ""
    base = "/container1?restype=container&comp=list&prefix=INT%2Fweights%2F"
    for start in range(0, len(blobs), per_page):
        url = base + (f"&marker={start}" if start else "") + signature
        following = start + per_page if start + per_page < len(blobs) else ""
        page = f"<Blobs>{''.join(blobs[start : start + per_page])}</Blobs><NextMarker>{following}</NextMarker>"
        listing = f"<?xml version='1.0' encoding='utf-8'?><EnumerationResults>{page}</EnumerationResults>"
        storage.files[url] = listing.encode()


def azure(site: Site, **more: Any) -> dict[str, Any]:
    """An Azure source that this server answers."""
    return {
        "kind": "azure",
        "endpoint": site.url,
        "registry": "azureml",
        "model": "Tiny-Model",
        "version": "3",
        "region": "eastus",
        "folder": "",
    } | more
