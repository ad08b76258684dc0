"""The publisher's download: resumed where it broke off, refused unless the publisher's checksum matches."""

from __future__ import annotations

import hashlib
import shutil
import ssl
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import certifi
import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from tools.errors import ToolError
from tools.table import Official, Platform

Report = Callable[[int, int], None]
"""Told how many bytes are there, of how many (0: not known)."""


class Unreachable(Exception):
    """The publisher's site does not answer here, or not with what it should have. The text says how."""


def certificates() -> ssl.SSLContext:
    """Trust what the system trusts (a site may have its own authority), and the public authorities of certifi."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


class Downloads:
    """Downloads of one run. A host that did not answer once is not asked again."""

    def __init__(self, partial: Path, *, connect: float = 3.0, wait: float = 1.0, attempts: int = 4) -> None:
        self.partial, self.wait, self.attempts = partial, wait, attempts
        self._timeout = httpx.Timeout(30.0, connect=connect)
        self._dead: dict[str, str] = {}
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None

    @property
    def client(self) -> httpx.Client:
        """Made when first needed: loading certificates takes a moment."""
        with self._lock:
            if self._client is None:
                self._client = httpx.Client(verify=certificates(), timeout=self._timeout, follow_redirects=True)
            return self._client

    def checksums(self, urls: list[str]) -> dict[str, str]:
        """sha256 by file name, from the first URL that answers. It is small, so it is the probe as well.

        Raises Unreachable, saying why, when none does.
        """
        reasons = []
        for url in urls:
            host = urlsplit(url).netloc
            if host in self._dead:
                reasons.append(self._dead[host])
                continue
            try:
                answer = self.client.get(url)
                answer.raise_for_status()
            except httpx.HTTPStatusError as error:
                reasons.append(f"{host} answers {error.response.status_code}")
            except httpx.HTTPError as error:
                self._dead[host] = f"{host} does not answer ({type(error).__name__})"
                reasons.append(self._dead[host])
            else:
                if sums := parse_checksums(answer.text, urlsplit(url).path):
                    return sums
                reasons.append(f"{host} answers something that is no checksum file")
        raise Unreachable("; ".join(dict.fromkeys(reasons)))

    def fetch(
        self, tool: str, version: str, official: Official, platform: Platform, report: Report, program: str = ""
    ) -> Path:
        """Download the archive, or `program`, and verify it. The file stays in `partial` until it is unpacked.

        Raises Unreachable when the site does not answer (what came so far is kept), ToolError when what came is not
        what the publisher's checksum file names.
        """
        sums = self.checksums(official.urls(official.checksums, version, platform, program))
        urls = official.urls(official.programs if program else official.archives, version, platform, program)
        name = urlsplit(urls[0]).path.rsplit("/", 1)[-1]
        if name not in sums:
            raise Unreachable(f"the publisher has no {name}")
        self.partial.mkdir(parents=True, exist_ok=True)
        path = self.partial / f"{sums[name][:12]}-{name}"
        problem = "no URL"
        for url in urls:
            try:
                for attempt in Retrying(
                    retry=retry_if_exception_type(httpx.TransportError),
                    stop=stop_after_attempt(self.attempts),
                    wait=wait_exponential(self.wait, max=20),
                    reraise=True,
                ):
                    with attempt:
                        self._resume(url, path, report)
            except httpx.HTTPError as error:
                problem = f"{urlsplit(url).netloc}: {error}"
                continue
            if (found := file_sha256(path)) == sums[name]:
                return path
            path.unlink()
            raise ToolError(
                f"{tool} {version}: {name} has another checksum than its publisher says\n"
                f"  expected sha256 {sums[name]}\n  received sha256 {found}\n  from {url}",
                harm="a file changed on its way here could do anything on this machine, so it was deleted",
                fix="run the same command again; if it repeats, something between here and the publisher\n"
                "(a proxy, a mirror) changes downloads: ask who runs it",
            )
        raise Unreachable(problem)

    def _resume(self, url: str, path: Path, report: Report) -> None:
        there = path.stat().st_size if path.exists() else 0
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={there}-"} if there else {})
        with self.client.stream("GET", url, headers=headers) as answer:
            if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                return  # It is all there: the checksum tells whether it is right.
            answer.raise_for_status()
            resumed = answer.status_code == httpx.codes.PARTIAL_CONTENT
            there = there if resumed else 0
            total = there + int(answer.headers.get("Content-Length", 0))
            with path.open("ab" if resumed else "wb") as file:
                for chunk in answer.iter_raw():  # A chunk size would hold back, and lose, what came before a break.
                    file.write(chunk)
                    there += len(chunk)
                    report(there, total)


def parse_checksums(text: str, path: str = "") -> dict[str, str]:
    """Lines of `sha256sum`: digest, blanks, name (with `*` before it or not). Anything else is left out.

    A digest alone is that of the file beside the checksum file: `…/program.sha256` is about `program`.
    """
    found = {}
    for line in text.splitlines():
        match line.split():
            case [digest, name] if len(digest) == 64:
                found[name.removeprefix("*").removeprefix("./")] = digest.lower()
            case [digest] if len(digest) == 64 and path.endswith(".sha256"):
                found[path.rsplit("/", 1)[-1].removesuffix(".sha256")] = digest.lower()
    return found


def file_sha256(path: Path) -> str:
    """The file's sha256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unpack(archive: Path, folder: str, target: Path) -> None:
    """Unpack a tar archive's plain files into `target`, without its top `folder`. Raises ToolError when it is damaged.

    Links and names that lead out of `target` are refused: no archive of the table has a use for them.
    """
    prefix = f"{folder}/" if folder else ""
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                name = member.name.removeprefix("./")
                content = tar.extractfile(member) if member.isfile() else None
                if content is None:
                    if not member.isdir():
                        raise ToolError(f"{archive.name} holds '{name}', which is neither file nor directory")
                    continue
                if not name.startswith(prefix):
                    continue
                path = target / name.removeprefix(prefix)
                if ".." in path.parts or not path.is_relative_to(target):
                    raise ToolError(f"{archive.name} holds '{name}', which leads out of its folder")
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("wb") as file:
                    shutil.copyfileobj(content, file, 1 << 20)
                path.chmod(0o755 if member.mode & 0o100 else 0o644)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ToolError(
            f"{archive.name} cannot be unpacked: {error}",
            fix=f"see whether the disk of {target} is full, then try again",
        ) from error
