"""`make load`: verify a bundle, then put it in place, on a machine that has neither a network nor this project.

Nothing is installed before the signature and every file hold. Only the standard library and ssh-keygen are used, so
that this also runs as the one file load.pyz.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from pathlib import Path

from ops.audit import notes as audit
from tools import bootstrap
from tools.errors import ToolError
from tools.load import judge, manifest, programs, signature
from tools.load.archive import MANIFEST, SIGNATURE, Reader
from tools.load.manifest import Manifest
from tools.load.site import CONTENT, Site, around, place

DEFAULT = "slm-stacks"
"""Below the person's home, where nothing else is said."""
INTERRUPTED = 130


def load(file: Path, site: Site, cache: Path, key: str = "", older: str = "") -> None:
    """Verify `file` and make it the site's current release. Raises ToolError, having installed nothing."""
    trusted = (signature.public_key(key),) if key else site.trusted()
    loaded = site.loaded()
    try:
        stream = file.open("rb")
    except OSError as error:
        raise ToolError(f"{file} cannot be read: {error.strerror}", fix="FILE=path of what make bundle wrote") from None
    with stream:
        reader = Reader(stream)
        noted = audit.noted(site.state / audit.FILE, loaded.stack if loaded else "-", f"make load: judging {file.name}")
        # A folder that is not there yet gets no notes before there is something to note.
        with noted if site.folder.exists() else contextlib.nullcontext():
            text, signed = reader.first(MANIFEST), reader.first(SIGNATURE)
            signer = signature.check(text, signed, trusted)
            bundle = manifest.read(text)
            judge.suits_machine(bundle)
            judge.follows(bundle, loaded, older)
            judge.fits(bundle, site.folder, cache)
        bootstrap.say(f"stack {bundle.stack}, version {bundle.version}, signed by {signature.fingerprint(signer)}")
        doing = f"make load {bundle.version}" + (f" over {loaded.version}: {older}" if loaded and older else "")
        with site.changing(), audit.noted(site.state / audit.FILE, bundle.stack, doing), site.staging() as staged:
            _unpack(reader, bundle, staged)
            programs.install(staged / CONTENT / "tools", cache)
            site.finish(staged, bundle.version, text, signed)
            site.trust(signer)
            site.clear(bundle.version, *([loaded.version] if loaded else []))


def _unpack(reader: Reader, bundle: Manifest, staged: Path) -> None:
    begun, done, told = time.monotonic(), 0, time.monotonic()
    for member in bundle.members:
        path = place(staged, member.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as out:
            reader.member(member, out, bundle.names)
        if member.executable:
            path.chmod(0o755)
        done += member.size
        if time.monotonic() - told > 2:
            told = time.monotonic()
            bootstrap.say(f"  {done / 1e9:.1f} of {bundle.size / 1e9:.1f} GB verified")
    reader.end(bundle.names)
    seconds = time.monotonic() - begun
    bootstrap.say(
        f"  {len(bundle.members)} files, {bundle.size / 1e9:.2f} GB, every sha256 as signed ({seconds:.0f} s)"
    )


def tell(site: Site) -> None:
    """What comes next."""
    bundle = site.loaded()
    if bundle is None:
        raise ValueError("nothing is loaded")
    for given in bundle.supply:
        bootstrap.say(f"  not in the bundle: {given}")
    hosts = f" HOSTS={bundle.hosts}" if bundle.hosts else ""
    bootstrap.say(f"next: cd {site.current} && make up STACK={bundle.stack}{hosts}")


def main(arguments: list[str]) -> int:
    """Run the command line; a ToolError becomes one screen of text and exit code 1."""
    parser = argparse.ArgumentParser(prog="load", description=__doc__)
    parser.add_argument("file", type=Path, help="what make bundle wrote")
    parser.add_argument("--key", default="", help="the public key it must be signed with: a file, or the key itself")
    parser.add_argument("--into", type=Path, help=f"the folder to load into; ~/{DEFAULT} on a new machine")
    parser.add_argument("--allow-older", default="", metavar="REASON", help="take a version older than the loaded one")
    try:
        given = parser.parse_args(arguments)
        inside = around(bootstrap.CHECKOUT)
        site = Site(given.into.expanduser().absolute()) if given.into else inside or Site(Path.home() / DEFAULT)
        load(given.file, site, bootstrap.cache_directory(), given.key, given.allow_older)
        tell(site)
    except ToolError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {error}\n  nothing was installed", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; nothing was installed", file=sys.stderr)
        return INTERRUPTED
    return 0
