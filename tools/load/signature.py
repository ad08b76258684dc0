"""Signatures by OpenSSH's own program, `ssh-keygen -Y`: it takes no network, and edge hosts take it anyway."""

from __future__ import annotations

import base64
import hashlib
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Collection
from pathlib import Path

from tools.errors import ToolError
from tools.load.archive import AGAIN, HARM, refused

NAMESPACE = "slm-bundle"
"""What the key signs for: a signature made for something else does not hold for a bundle."""
_FORM = b"SSHSIG\0\0\0\1"
"""What a signature begins with. OpenSSH takes a lower version as well, so that one bit could be another."""
_BEGIN, _END = b"-----BEGIN SSH SIGNATURE-----\n", b"-----END SSH SIGNATURE-----\n"


def program() -> str:
    """The path of ssh-keygen. Raises ToolError."""
    if found := shutil.which("ssh-keygen"):
        return found
    raise ToolError(
        "ssh-keygen is not installed, and it makes and checks signatures",
        harm=HARM,
        fix="install OpenSSH's client: apt-get install openssh-client    (dnf install openssh-clients)",
    )


def public_key(given: str) -> str:
    """`type blob` out of a public key's file, or out of the key itself. Raises ToolError."""
    path = Path(given).expanduser()
    text = given
    if not given.startswith(("ssh-", "ecdsa-", "sk-")):
        try:
            text = path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise ToolError(
                f"there is no public key in {given}: {error}", harm=HARM, fix="KEY=bundle-key.pub, or the key itself"
            ) from None
    words = text.split()
    if len(words) < 2 or not words[0].startswith(("ssh-", "ecdsa-", "sk-")) or not words[1].startswith("AAAA"):
        raise ToolError(f"{given:.80} is no public key", harm=HARM, fix="give the file that ends in .pub")
    return f"{words[0]} {words[1]}"


def fingerprint(key: str) -> str:
    """A public key's fingerprint as OpenSSH writes it."""
    return _fingerprint(base64.b64decode(key.split()[1]))


def _fingerprint(blob: bytes) -> str:
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def check(content: bytes, signature: bytes, trusted: Collection[str]) -> str:
    """The key, one of `trusted`, that signed the content. Raises ToolError for another key or a wrong signature."""
    signer = _signer(signature)
    by_blob = {base64.b64decode(key.split()[1]): key for key in trusted}
    if signer not in by_blob:
        told = f"trusted here: {', '.join(map(_fingerprint, by_blob))}" if by_blob else "no key is trusted here yet"
        raise refused(
            f"the bundle is signed by an unknown key {_fingerprint(signer)}; {told}",
            "get the public key from whoever made the bundle, by another way than the bundle; then KEY=bundle-key.pub",
        )
    with tempfile.TemporaryDirectory() as folder:
        signers, armour = Path(folder, "signers"), Path(folder, "signature")
        signers.write_text(f'{NAMESPACE} namespaces="{NAMESPACE}" {by_blob[signer]}\n')
        armour.write_bytes(signature)
        command = [program(), "-Y", "verify", "-f", str(signers), "-I", NAMESPACE, "-n", NAMESPACE, "-s", str(armour)]
        done = subprocess.run(command, input=content, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        said = done.stdout.decode(errors="replace").strip().splitlines()
        raise refused(f"the signature of the bundle's manifest is wrong: {said[-1] if said else 'it does not match'}")
    return by_blob[signer]


def _signer(signature: bytes) -> bytes:
    """The key that a signature claims to be of. Its text must be as OpenSSH writes it, to the last bit."""
    try:
        if not signature.startswith(_BEGIN) or not signature.endswith(_END):
            raise ValueError
        blob = base64.b64decode(signature[len(_BEGIN) : -len(_END)])
        text = base64.b64encode(blob)
        lines = b"".join(text[at : at + 70] + b"\n" for at in range(0, len(text), 70))
        if signature != _BEGIN + lines + _END or not blob.startswith(_FORM):
            raise ValueError
        (length,) = struct.unpack_from(">I", blob, len(_FORM))
        return blob[len(_FORM) + 4 :][:length]
    except (ValueError, struct.error):
        raise refused("the signature of the bundle's manifest is none", AGAIN) from None
