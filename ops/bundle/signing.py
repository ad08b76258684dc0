"""The key that bundles are signed with. Its public half goes to the other end by another way than the bundle."""

from __future__ import annotations

import subprocess
from pathlib import Path

from rich.console import Console

from ops.errors import UserError
from ops.machine import PROJECT, STATE_DIRECTORY
from tools.load.signature import NAMESPACE, fingerprint, program, public_key

FOLDER = PROJECT / STATE_DIRECTORY / "bundle"
KEY = FOLDER / "bundle-key"


def make_key(console: Console, key: Path = KEY) -> None:
    """Make the key where there is none, and say how the other end gets its public half. Raises ToolError."""
    public = key.with_name(f"{key.name}.pub")
    if not key.exists():
        key.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        command = [program(), "-q", "-t", "ed25519", "-N", "", "-C", NAMESPACE, "-f", str(key)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    told = f"  {public}\n  {public_key(str(public))}\n  fingerprint {fingerprint(public_key(str(public)))}"
    console.print(told, markup=False, soft_wrap=True)
    console.print("  carry it to the other machine by another way than the bundle, or read it out: make load KEY=…")


def sign(content: bytes, key: Path) -> bytes:
    """A signature of the content. `key` is a private key's file, or a public one's whose private half an agent has.

    Raises UserError.
    """
    if not key.exists():
        raise UserError(
            f"there is no key {key} to sign the bundle with",
            harm="an unsigned bundle is refused by whoever loads it, so none was made",
            fix="make bundle-key, once; or KEY=a key of your own",
        )
    command = [program(), "-Y", "sign", "-q", "-f", str(key), "-n", NAMESPACE]
    done = subprocess.run(command, input=content, capture_output=True)
    if done.returncode or not done.stdout:
        raise UserError(
            f"ssh-keygen could not sign: {done.stderr.decode(errors='replace').strip()}",
            harm="there is no new bundle",
            fix=f"see whether {key} can be read and its agent runs",
        )
    return done.stdout


def public_of(key: Path) -> str:
    """The public half of a key's file. Raises ToolError."""
    return public_key(str(key if key.suffix == ".pub" else key.with_name(f"{key.name}.pub")))
