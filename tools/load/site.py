"""Where bundles are loaded to: a folder with releases, a link to the current one, and what belongs to the machine."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tools.errors import ToolError
from tools.load import manifest as manifests
from tools.load.archive import HARM, MANIFEST, SIGNATURE
from tools.load.manifest import PROGRAM, Manifest

CONTENT = ".bundle"
"""In a release: all of the bundle but the program, which is the release itself."""
STATE = ".slm"
PART = ".part-"


class Site:
    """`folder/current` is the release in use: a link, so that a new one takes its place in one step.

    All releases share `folder/.slm`, which holds state and secrets and which no bundle touches.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.releases, self.current, self.state = folder / "releases", folder / "current", folder / STATE
        self.signers = self.state / "bundle-signers"

    def loaded(self) -> Manifest | None:
        """The manifest of the current release; None before the first load. Raises ToolError for a broken one."""
        path = self.current / CONTENT / MANIFEST
        try:
            return manifests.read(path.read_bytes())
        except FileNotFoundError:
            if self.current.is_symlink():
                raise ToolError(
                    f"{path} is gone, so nobody knows which version is loaded",
                    harm=HARM,
                    fix=f"remove the link {self.current}, then load again",
                ) from None
            return None

    def release(self, version: str) -> Path:
        """Where a version lies; it exists exactly when it is complete."""
        return self.releases / version

    def trusted(self) -> tuple[str, ...]:
        """The public keys whose bundles were loaded here."""
        with contextlib.suppress(FileNotFoundError):
            return tuple(self.signers.read_text().splitlines())
        return ()

    def trust(self, key: str) -> None:
        """From now on, and alone: bundles of an earlier key are refused."""
        part = self.signers.with_name(f".{self.signers.name}.part")
        part.write_text(f"{key}\n")
        part.replace(self.signers)

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Only one load at a time; a folder that did not exist before is removed again when it fails."""
        new = not self.folder.exists()
        try:
            self.state.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.releases.mkdir(exist_ok=True)
        except OSError as error:
            raise ToolError(f"{self.folder} cannot be made: {error.strerror}", harm=HARM, fix="INTO=folder") from None
        try:
            with (self.state / "load.lock").open("w") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise ToolError(f"another load into {self.folder} is running", harm=HARM, fix="wait") from None
                for left in self.releases.glob(f"{PART}*"):
                    shutil.rmtree(left, ignore_errors=True)
                yield
        except BaseException:
            if new:
                shutil.rmtree(self.folder, ignore_errors=True)
            raise

    @contextlib.contextmanager
    def staging(self) -> Iterator[Path]:
        """An empty folder for a release that is not complete yet; it is gone at the end unless it was renamed."""
        folder = Path(tempfile.mkdtemp(prefix=PART, dir=self.releases))
        folder.chmod(0o755)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def finish(self, staged: Path, version: str, manifest: bytes, signature: bytes) -> None:
        """Make a staged release the current one; one that lies here already is only made so.

        Raises ToolError when what lies here under this version is another bundle.
        """
        if (known := self.release(version)).exists():
            if (known / CONTENT / MANIFEST).read_bytes() != manifest:
                raise ToolError(
                    f"another bundle of version {version} is loaded", harm=HARM, fix="make the bundle again"
                )
            self.switch(version)
            return
        (staged / CONTENT).mkdir(exist_ok=True)
        (staged / CONTENT / MANIFEST).write_bytes(manifest)
        (staged / CONTENT / SIGNATURE).write_bytes(signature)
        (staged / STATE).symlink_to(Path("..", "..", STATE))
        os.sync()  # A power cut must not leave a name whose content never reached the disk.
        staged.rename(self.release(version))
        self.switch(version)

    def switch(self, version: str) -> None:
        """Point `current` to a release, in one step."""
        part = self.folder / ".current.part"
        part.unlink(missing_ok=True)
        part.symlink_to(Path("releases", version))
        part.replace(self.current)

    def clear(self, *keep: str) -> None:
        """Remove all releases but these."""
        for release in self.releases.iterdir():
            if release.name not in keep:
                shutil.rmtree(release, ignore_errors=True)


def place(staged: Path, name: str) -> Path:
    """Where a file of the bundle lies in a release."""
    folder, _, below = name.partition("/")
    return staged / below if folder == PROGRAM else staged / CONTENT / name


def around(checkout: Path) -> Site | None:
    """The site that a checkout is a release of; None for any other checkout."""
    loaded = checkout.parent.name == "releases" and (checkout / CONTENT / MANIFEST).exists()
    return Site(checkout.parent.parent) if loaded else None
