"""What this site's way to the outside needs, found on this machine so that jobs inside containers get it too."""

from __future__ import annotations

import hashlib
import os
import re
import ssl
import subprocess
import sys
from base64 import urlsafe_b64encode
from importlib.metadata import distribution
from pathlib import Path

from components.models import Site

CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT")
SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)
DISTRIBUTED = Path("/usr/share/ca-certificates")
"""Where Debian keeps the public certificates one by one; old ones that certifi has dropped are no site's own."""

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def discover() -> Site:
    """The site's own CA certificates, package index and proxy, as far as this machine is configured for them."""
    bundles = [Path(path) for path in (*(os.environ.get(v, "") for v in CA_VARIABLES), *SYSTEM_BUNDLES) if path]
    return Site(
        ca_certificates=site_certificates(bundles, [*released(), *DISTRIBUTED.rglob("*.crt")]),
        index=_package_index(),
        proxy=os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy") or None,
    )


def site_certificates(bundles: list[Path], public: list[Path]) -> str:
    """The certificates this machine trusts beyond the public ones: a site that inspects TLS has one of its own.

    Only what lies in a bundle and not in `public` is given, so that the containers' own list stays the base.
    """
    known = {_der(pem) for path in public for pem in _PEM.findall(path.read_text(errors="replace"))}
    found: dict[bytes, str] = {}
    for bundle in bundles:
        for pem in _PEM.findall(bundle.read_text(errors="replace")) if bundle.is_file() else []:
            if (der := _der(pem)) not in known:
                found.setdefault(der, pem)
    return "".join(f"{pem}\n" for pem in found.values())


def released() -> list[Path]:
    """certifi's list of public certificates, if it is as it was released: some sites write their own into it."""
    for file in distribution("certifi").files or ():
        if file.name == "cacert.pem" and file.hash:
            content = Path(str(file.locate())).read_bytes()
            found = urlsafe_b64encode(hashlib.new(file.hash.mode, content).digest()).decode().rstrip("=")
            return [Path(str(file.locate()))] if found == file.hash.value else []
    return []


def _der(pem: str) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pem)


def _package_index() -> str | None:
    """The package index pip is configured for on this machine, None for the public one."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"], capture_output=True, text=True, check=False
    )
    return listed.stdout.strip() or None if listed.returncode == 0 else None
