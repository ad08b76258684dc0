"""`make outdated`: what newer versions of pinned parts can be seen from here; unknown where nobody answers."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from packaging.version import InvalidVersion, Version
from rich.console import Console
from rich.table import Table

from components.catalog import catalog
from components.workload import Value
from ops.errors import UserError
from ops.machine import PROJECT
from ops.pin.http import get
from ops.release.parts import Part, images, locked_from, packages, tools
from ops.release.tags import place, tags
from ops.site import discover
from tools.table import load

SIMPLE = "application/vnd.pypi.simple.v1+json"
AT_ONCE = 8


class Found(Value):
    """A part with the newest version that was seen; `reason` says why none was."""

    part: Part
    newest: str = ""
    reason: str = ""

    @property
    def state(self) -> str:
        """newer, current or unknown."""
        if not self.newest:
            return "unknown"
        return "newer" if is_newer(self.newest, self.part.version) else "current"


def numbers(text: str) -> Version | None:
    """A version that can be compared; None for a text that is none, or comes before a release."""
    try:
        found = Version(text.removeprefix("v").removesuffix("+incompatible"))
    except InvalidVersion:
        return None
    return None if found.is_prerelease or found.is_devrelease else found


def is_newer(one: str, other: str) -> bool:
    """Whether a version is later than another one. What cannot be compared is newer when it is another."""
    left, right = numbers(one), numbers(other)
    return left > right if left and right else one != other


def newest(versions: Iterable[str]) -> str:
    """The latest release among texts; empty where none is a release."""
    known = [(version, text) for text in versions if (version := numbers(text))]
    return max(known, default=(None, ""))[1]


def on_index(name: str, index: str) -> str:
    """The newest release that a package index has (PEP 691). Raises UserError."""
    answer = get(f"{index.rstrip('/')}/{name}/", name, headers={"Accept": SIMPLE})
    document = answer.json()
    yanked = {_version(file["filename"]) for file in document["files"] if file.get("yanked")}
    kept = {_version(file["filename"]) for file in document["files"] if not file.get("yanked")}
    return newest(one for one in document.get("versions") or kept if one not in yanked - kept)


def _version(file: str) -> str:
    found = re.search(r"-(\d[^-]*?)(?:-|\.tar\.gz$|\.zip$)", file)
    return found[1] if found else ""


def on_proxy(module: str, proxy: str) -> str:
    """The newest release of a Go module; another major version is another module. Raises UserError."""
    escaped = re.sub(r"[A-Z]", lambda letter: f"!{letter[0].lower()}", module)
    # Some proxies of a site answer only what they are asked for by name; the list is what all of them have.
    listed = get(f"{proxy}/{escaped}/@v/list", module).text.split()
    # What is marked so is from before the module had its name, whatever its number.
    return newest(one for one in listed if not one.endswith("+incompatible")) or newest(listed)


def in_registry(repository: str, like: str, registry: str = "") -> str:
    """The newest tag of the same form as the pinned one. Raises UserError."""
    own, name = place(repository)
    form = re.compile(re.sub(r"\d+", r"\\d+", re.escape(like)))
    return newest(tag for tag in tags(registry or own, name) if form.fullmatch(tag))


def go_proxy(listed: str) -> str:
    """The first address of GOPROXY that is one. Raises UserError where nobody is to be asked."""
    for one in re.split(r"[,|]", listed):
        if one.startswith("http"):
            return one.rstrip("/")
    raise UserError(
        "Go is told to ask no proxy (go env GOPROXY)" if listed else "there is no go that says whom it asks"
    )


def _go_proxies() -> str:
    """GOPROXY as Go itself has it, its own default included; empty without Go."""
    if not (go := shutil.which("go")):
        return os.environ.get("GOPROXY", "")
    return subprocess.run([go, "env", "GOPROXY"], capture_output=True, text=True, check=False).stdout.strip()


Ask = Callable[[Part], str]


def asker() -> Ask:
    """Asks where this machine asks for its own packages."""
    index, proxies = discover().index or locked_from(PROJECT), _go_proxies()

    def ask(part: Part) -> str:
        if part.place == "index":
            return on_index(part.origin, index)
        return (
            on_proxy(part.origin, go_proxy(proxies)) if part.place == "go" else in_registry(part.origin, part.version)
        )

    return ask


def look(parts: Sequence[Part], ask: Ask) -> list[Found]:
    """Ask for every part, several at once."""

    def one(part: Part) -> Found:
        if not part.place:
            return Found(part=part, reason=part.why)
        try:
            seen = ask(part)
        except UserError as error:
            return Found(part=part, reason=error.what)
        except (KeyError, ValueError, TypeError) as error:
            return Found(part=part, reason=f"its answer was not understood ({type(error).__name__})")
        return Found(part=part, newest=seen, reason="" if seen else "no release is listed")

    with ThreadPoolExecutor(AT_ONCE) as threads:
        return list(threads.map(one, parts))


def run(console: Console, ask: Ask | None = None, *, everything: bool = False) -> int:
    """Print what is newer and what nobody knows; `everything`: what is current as well. The exit code is always 0."""
    parts = [*tools(load()), *images(catalog()), *packages(PROJECT)]
    found = look(parts, ask or asker())
    shown = Table("kind", "part", "pinned", "newest", "state")
    colours = {"newer": "yellow", "current": "green", "unknown": "dim"}
    for one in sorted(found, key=lambda f: (list(colours).index(f.state), f.part.kind, f.part.name)):
        if one.state != "current" or everything:
            told = f"[{colours[one.state]}]{one.state}[/]" + (f": {one.reason}" if one.reason else "")
            shown.add_row(one.part.kind, one.part.name, one.part.version, one.newest, told)
    console.print(shown)
    counted = {state: sum(one.state == state for one in found) for state in colours}
    console.print(", ".join(f"{count} {state}" for state, count in counted.items()), highlight=False)
    return 0
