"""A fleet's own certificate authority, kept on this machine only, and the certificates it gives to hosts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from filelock import FileLock

from ops.machine import STATE_DIRECTORY, write_private

YEARS = 10
"""How long the authority is valid; a certificate of a host has LASTS."""

LASTS = timedelta(days=365)
RENEW_BEFORE = timedelta(days=30)
BACKDATED = timedelta(hours=1)
"""Hosts' clocks differ: what was signed now must count as valid on one that is behind."""


@dataclass(frozen=True)
class Issued:
    """A host's certificate and its private key, in PEM form."""

    certificate: str
    key: str


@dataclass(frozen=True)
class Authority:
    """The certificate authority of the fleet `name`; its folder is readable by this user only."""

    name: str
    folder: Path

    @classmethod
    def of(cls, fleet: str, project: Path) -> Authority:
        """The authority of a fleet of this project; its files may not be there yet."""
        return cls(fleet, project / STATE_DIRECTORY / fleet / "ca")

    @property
    def certificate_file(self) -> Path:
        """What clients trust; no secret."""
        return self.folder / "ca.pem"

    @property
    def _key_file(self) -> Path:
        return self.folder / "ca.key"

    def ensure(self) -> x509.Certificate:
        """The authority's certificate; made when there is none."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with FileLock(self.folder / "lock"):
            if not self.certificate_file.exists():
                key = ec.generate_private_key(ec.SECP256R1())
                write_private(self._key_file, _pem_of(key))
                write_private(self.certificate_file, _pem(self._self_signed(key)))
        return x509.load_pem_x509_certificate(self.certificate_file.read_bytes())

    def issue(self, names: Sequence[str], now: datetime | None = None, *, lasts: timedelta = LASTS) -> Issued:
        """A certificate for a host's names and addresses, which `lasts` so long."""
        now, own = now or datetime.now(UTC), self.ensure()
        signer = serialization.load_pem_private_key(self._key_file.read_bytes(), None)
        if not isinstance(signer, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{self._key_file} is no key of this authority")
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])]))
            .issuer_name(own.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - BACKDATED)
            .not_valid_after(min(now + lasts, own.not_valid_after_utc))
            .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        return Issued(_pem(builder.sign(signer, hashes.SHA256())), _pem_of(key))

    def _self_signed(self, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
        now = datetime.now(UTC)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"slm fleet {self.name}")])
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - BACKDATED)
            .not_valid_after(now + timedelta(days=365 * YEARS))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )

    def why_renew(self, certificate: str, names: Sequence[str], now: datetime | None = None) -> str | None:
        """Why a host needs another certificate than this one, in words; None when it does for RENEW_BEFORE more."""
        held, own = x509.load_pem_x509_certificate(certificate.encode()), self.ensure()
        if held.issuer != own.subject or not _signed_by(held, own):
            return "the fleet has another certificate authority now"
        if missing := set(map(_general, names)) - set(_names_of(held)):
            return f"it is not for {', '.join(sorted(str(name.value) for name in missing))}"
        left = held.not_valid_after_utc - (now or datetime.now(UTC))
        return f"it ends in {max(0, left.days)} days" if left < RENEW_BEFORE else None


def days_left(certificate: str, now: datetime | None = None) -> int:
    """How many whole days a certificate in PEM form is valid yet; negative when it has ended."""
    held = x509.load_pem_x509_certificate(certificate.encode())
    return (held.not_valid_after_utc - (now or datetime.now(UTC))).days


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _names_of(certificate: x509.Certificate) -> list[x509.GeneralName]:
    return list(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)


def _signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _pem_of(key: ec.EllipticCurvePrivateKey) -> str:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()
