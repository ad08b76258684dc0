"""Images built on this machine from distribution packages, for sites that reach no image registry."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from rich.console import Console

from components.catalog import ImageRow, catalog
from ops.errors import UserError
from ops.images import packages as images_packages
from ops.images import programs as images_programs
from ops.images.content import build_folder, content, further_folders, programs
from ops.machine import PROJECT
from tools import bootstrap
from tools.places import cache_directory

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.images import Image

IMAGES = PROJECT / "images"
CONTENT = "slm.content"
"""Label with the digest of what an image was built from, so that a changed build folder means a new build."""
PUBLISHED_BASES = {
    # Read in docker-library/repo-info, commit 05f354f0 (November 2026).
    "bookworm": "debian:bookworm-slim@sha256:abd67ffcfa541b485a3dff59865ab629aa048a6c613e639d36e7456b0b229241",
}
"""Debian's own base images by suite: where a registry answers, any machine can build on them."""

NEWER = ("alertmanager", "blackbox", "cadvisor", "node-exporter", "prometheus", "vmagent")
"""Roles whose Debian packages are too old in bookworm, or fail there: its BusyBox crashes when it speaks HTTP."""

PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


class Builder:
    """Builds images in one Docker engine.

    `host` is the engine's address, None for the local one; `rows` are the images by role, where parents are found.
    """

    def __init__(
        self,
        client: DockerClient,
        console: Console,
        host: str | None = None,
        images: Path = IMAGES,
        rows: Mapping[str, ImageRow] | None = None,
    ) -> None:
        self.client, self.console, self.host, self.images = client, console, host, images
        self.rows = catalog().images if rows is None else rows
        self._lock = FileLock(cache_directory() / "images.lock")

    def content(self, row: ImageRow) -> str:
        """64 hex characters that change with anything the image is built from, its parent included."""
        return content(row, self.rows, self.images)

    def tag(self, role: str, row: ImageRow) -> str:
        """The name of the build this checkout would make."""
        return f"slm.local/{role}:{row.build_version}-{self.content(row)[:8]}"

    def present(self, role: str, row: ImageRow) -> str | None:
        """The id of this checkout's build, when there can be one and the engine has it."""
        if row.build is None:
            return None
        image = self._image(self.tag(role, row))
        return str(image.id) if image else None

    def up_to_date(self, row: ImageRow, image: Image) -> bool:
        """False only for an image that this project built from other contents; a site's own image has no such label."""
        if row.build is None:
            return True
        current = self.content(row)
        return bool((image.labels or {}).get(CONTENT, current) == current)

    def prepare(self, rows: Iterable[ImageRow]) -> None:
        """Have the programs ready that the builds of these rows hold. Raises UserError."""
        images_programs.ensure(name for row in rows for name in programs(self.images / build_folder(row)))

    def build(self, role: str, row: ImageRow) -> str:
        """Build and give the image's id. Raises UserError.

        One build at a time for all commands of a person on this machine: the same one twice would be for nothing.
        """
        with self._alone():
            return self.present(role, row) or self._build(role, row)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        cache_directory().mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            self.console.print("  another command builds images on this machine: waiting for it")
            self._lock.acquire()
        try:
            yield
        finally:
            self._lock.release()

    def _build(self, role: str, row: ImageRow) -> str:
        base, tag = self._parent(row) or self._base(role), self.tag(role, row)
        with tempfile.TemporaryDirectory(prefix="slm-image-") as scratch:
            context = Path(scratch) / role
            shutil.copytree(
                self.images / build_folder(row), context, ignore=shutil.ignore_patterns("__pycache__", ".*")
            )
            for further in further_folders(row, self.images):
                shutil.copytree(further, context / further.name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
            if (recipe := context / "build-binary.sh").exists():
                self._script(f"building the {role} binary", [str(recipe), str(context)])
            images_programs.copy(context)
            if (context / images_packages.LIST).exists():
                self._packages(role, context)
            self._dockerfile(context, tag, base, role, self.content(row))
        return str(self.client.images.get(tag).id)

    def _parent(self, row: ImageRow) -> str | None:
        """The tag of this checkout's build of the row's parent, built now where it is missing."""
        if row.parent is None:
            return None
        parent = self.rows[row.parent]
        if self.present(row.parent, parent) is None:
            self.build(row.parent, parent)
        return self.tag(row.parent, parent)

    def _packages(self, role: str, context: Path) -> None:
        try:
            uv = images_packages.uv_program()
        except bootstrap.Stop as error:
            raise self._failed(f"the Python packages of {role} cannot be installed", [str(error)]) from None
        if (machine := str(self.client.info()["Architecture"])) != images_packages.MACHINE:
            raise UserError(
                f"the image {role} can be built for {images_packages.MACHINE} only; the Docker engine runs {machine}",
                harm="nothing was deployed",
                fix=f"give the engine a way to the image's registry, or name a site's own under slm:images.{role}",
            )
        command = images_packages.install_command(context, uv)
        self._script(f"installing the Python packages of {role}", command, images_packages.environment())
        images_packages.prune(context)

    def _dockerfile(self, context: Path, tag: str, base: str, role: str, content: str) -> None:
        arguments = {"BASE": base} | {name: os.environ[name] for name in PROXIES if name in os.environ}
        lines: list[str] = []
        with self._status(f"building the image {tag}") as show:
            for message in self.client.api.build(
                path=str(context),
                tag=tag,
                buildargs=arguments,
                network_mode="host",
                labels={CONTENT: content, "slm.role": role},
                rm=True,
                forcerm=True,
                decode=True,
            ):
                if text := str(message.get("stream", "")).strip():
                    lines = [*lines[-14:], text]
                    show(text)
                if error := message.get("error"):
                    raise self._failed(f"the image {tag} could not be built", [*lines, str(error)])

    def _base(self, role: str) -> str:
        suite = base_suite(role)
        tag = f"slm.local/base:{suite}"
        if self._image(tag) is None:
            if published := self._published_base(suite):
                return published
            self._may_build_base()
            self._script(f"making the base image {tag} from packages", [str(self.images / "base/build.sh"), suite, tag])
        return tag

    def _published_base(self, suite: str) -> str | None:
        """Debian's base image of this suite when the engine has it or a registry serves it, else None."""
        import docker.errors

        if (published := PUBLISHED_BASES.get(suite)) is None:
            return None
        if self._image(published) is None:
            try:
                with self.console.status(f"pulling {published}"):
                    self.client.images.pull(published)
            except docker.errors.APIError:
                return None
        return published

    def _may_build_base(self) -> None:
        """Raise UserError unless this machine can make a base image; install debootstrap where that is all it lacks."""
        debian = shutil.which("apt-get") is not None
        if not debian or os.geteuid() != 0:
            raise UserError(
                "no image registry serves the images, and this machine cannot build them",
                harm="nothing can be deployed; nothing was changed",
                fix="give the Docker engine a way to a registry (its proxy settings, or a mirror), or load the images"
                " by hand (docker load) and name their ids under slm:images, or run this as root on Debian or Ubuntu,"
                " where they are built from packages",
            )
        if shutil.which("debootstrap") is None:
            self.console.print("  installing the package debootstrap, which makes base images (apt-get install)")
            self._script("reading package lists", ["apt-get", "-qq", "update"])
            self._script("installing debootstrap", ["apt-get", "-qqy", "install", "debootstrap"])

    def _script(self, what: str, command: list[str], environment: Mapping[str, str] = os.environ) -> None:
        environment = {**environment, "DEBIAN_FRONTEND": "noninteractive"}
        environment |= {"DOCKER_HOST": self.host} if self.host else {}
        lines: list[str] = []
        with (
            self._status(what) as show,
            subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            ) as process,
        ):
            try:
                for line in process.stdout or ():
                    if text := line.strip():
                        lines = [*lines[-14:], text]
                        show(text)
            except BaseException:
                process.terminate()
                raise
        if process.returncode != 0:
            raise self._failed(f"{what} failed", lines)

    @contextmanager
    def _status(self, what: str) -> Iterator[Callable[[str], None]]:
        """A line that says what is done and for how long; where there is no terminal, one line at the end."""
        started = time.monotonic()
        with self.console.status(what) as status:

            def show(line: str) -> None:
                status.update(f"{what}, {time.monotonic() - started:.0f} s: {line[: max(20, self.console.width - 60)]}")

            yield show
        self.console.print(f"  {what}: {time.monotonic() - started:.0f} s")

    def _failed(self, what: str, lines: list[str]) -> UserError:
        tail = "\n    ".join(lines[-12:])
        return UserError(
            f"{what}; its last lines:\n    {tail}",
            harm="no image registry serves this image either, so nothing was deployed",
            fix="the last line names the cause, mostly a package mirror that cannot be reached; then run the command"
            " again, it goes on where it stopped",
        )

    def _image(self, name: str) -> Image | None:
        import docker.errors

        try:
            return self.client.images.get(name)
        except docker.errors.ImageNotFound:
            return None


def base_suite(role: str, libc: str | None = None) -> str:
    """The Debian suite of the base image.

    Ollama's binary is made on this machine, and a program does not run on an older C library than it was linked with.
    The packages of llama.cpp can be put on trixie and on nothing older; those of NEWER lack too much in bookworm.
    """
    if role.startswith("llamacpp") or role in NEWER:
        return "trixie"
    found = libc if libc is not None else platform.libc_ver()[1]
    numbers = tuple(int(part) for part in found.split(".") if part.isdecimal())
    return "trixie" if role == "ollama" and numbers > (2, 36) else "bookworm"
