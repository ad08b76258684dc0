"""What of this machine's way to the outside the containers need too."""

from __future__ import annotations

import base64
import hashlib
from base64 import urlsafe_b64encode
from importlib.metadata import PackagePath
from pathlib import Path
from types import SimpleNamespace

import pytest

from ops import site
from ops.site import discover, site_certificates

pytestmark = pytest.mark.unit


def certificate(content: bytes) -> str:
    body = base64.encodebytes(content).decode()
    return f"-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n"


PUBLIC, OLD, OWN = (certificate(name * 20) for name in (b"public", b"old", b"own"))


def bundle(folder: Path, name: str, *certificates: str) -> Path:
    path = folder / name
    path.write_text("# a comment\n" + "\n".join(certificates))
    return path


def test_only_certificates_beyond_the_public_ones_are_given(tmp_path: Path) -> None:
    machine = bundle(tmp_path, "machine.pem", PUBLIC, OWN, OLD)
    public = [bundle(tmp_path, "certifi.pem", PUBLIC), bundle(tmp_path, "old.crt", OLD)]
    assert site_certificates([machine], public) == OWN


def test_a_certificate_in_two_bundles_is_given_once(tmp_path: Path) -> None:
    bundles = [bundle(tmp_path, "a.pem", OWN), bundle(tmp_path, "b.pem", OWN), tmp_path / "missing.pem"]
    assert site_certificates(bundles, []) == OWN


def test_line_ends_make_no_other_certificate(tmp_path: Path) -> None:
    machine = tmp_path / "dos.pem"
    machine.write_bytes(PUBLIC.replace("\n", "\r\n").encode())
    assert site_certificates([machine], [bundle(tmp_path, "certifi.pem", PUBLIC)]) == ""


def test_the_machines_settings_are_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "SYSTEM_BUNDLES", ())
    monkeypatch.setattr(site, "_package_index", lambda: "https://index.example/simple")
    for name in site.CA_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle(tmp_path, "own.pem", OWN)))
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    found = discover()
    assert found.ca_certificates == OWN
    assert found.index == "https://index.example/simple"
    assert found.proxy == "http://proxy.example:3128"


@pytest.mark.parametrize(("written", "kept"), [("public", True), ("public and the site's own", False)])
def test_a_list_of_public_certificates_that_a_site_has_written_into_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str, kept: bool
) -> None:
    path = tmp_path / "cacert.pem"
    path.write_text(written)
    released = urlsafe_b64encode(hashlib.sha256(b"public").digest()).decode().rstrip("=")
    file = SimpleNamespace(
        name="cacert.pem", hash=SimpleNamespace(mode="sha256", value=released), locate=lambda: PackagePath(path)
    )
    monkeypatch.setattr(site, "distribution", lambda name: SimpleNamespace(files=[file]))
    assert site.released() == ([path] if kept else [])
