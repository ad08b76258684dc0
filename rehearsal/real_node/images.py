"""Images for a node that reaches no registry: those of this machine's Docker engine, and single programs."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

from rehearsal.real_node.errors import CannotRun

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class Store:
    """The images of one containerd. `ctr` is the command that reaches it, to which arguments are added."""

    def __init__(self, ctr: Sequence[str]) -> None:
        self._ctr = [*ctr, "--namespace", "k8s.io", "images"]

    def program(self, name: str, program: Path, arguments: Sequence[str] = ()) -> None:
        """Make an image that holds one program and nothing else, which must be linked statically."""
        self._run("import", "-", given=archive(name, program, arguments))

    def from_docker(self, *images: str) -> list[str]:
        """Bring images in from this machine's Docker engine, what they share once; gives the references that pods name
        them by, with digest.

        Docker's engine gives an image it built no digest, so this is the one that containerd finds for it. Raises
        CannotRun.
        """
        with subprocess.Popen(["docker", "save", *images], stdout=subprocess.PIPE) as saving:
            subprocess.run([*self._ctr, "import", "-"], stdin=saving.stdout, check=False, capture_output=True)
        if saving.returncode:
            raise CannotRun(
                f"This machine's Docker engine does not give out {', '.join(images)}",
                harm="the node has no image to run",
                fix="see whether they are there: docker images",
            )
        return [self._by_digest(image) for image in images]

    def _by_digest(self, image: str) -> str:
        listed = self._run("list", f"name=={image}").splitlines()[1:]
        if not listed:
            raise CannotRun(
                f"containerd took {image} from the Docker engine and does not have it",
                harm="the node has no image to run",
                fix="see whether the image's name is complete: registry/name:tag",
            )
        digest = listed[0].split()[2]
        # The kubelet asks for what a manifest names, tag left out and digest kept.
        self._run("tag", "--force", image, f"{image.rpartition(':')[0]}@{digest}")
        return f"{image}@{digest}"

    def _run(self, *arguments: str, given: bytes | None = None) -> str:
        done = subprocess.run([*self._ctr, *arguments], input=given, capture_output=True)
        if done.returncode:
            raise CannotRun(
                f"containerd refused images {' '.join(arguments)}: {done.stderr.decode(errors='replace').strip()}",
                harm="the node has no image to run",
                fix="see what it says",
            )
        return done.stdout.decode()


def archive(name: str, program: Path, arguments: Sequence[str] = ()) -> bytes:
    """The image as `docker save` writes it: one layer with `/<program>`, which is also what it starts (pure)."""
    layer = _tar({program.name: program.read_bytes()}, mode=0o755)
    configuration = json.dumps(
        {
            "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
            "os": "linux",
            "config": {"Entrypoint": [f"/{program.name}", *arguments]},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
            "history": [{"created_by": "slm-stacks"}],
        }
    ).encode()
    manifest = json.dumps([{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]).encode()
    return _tar({"manifest.json": manifest, "config.json": configuration, "layer.tar": layer})


def _tar(files: dict[str, bytes], mode: int = 0o644) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), mode
            tar.addfile(member, io.BytesIO(content))
    return written.getvalue()
