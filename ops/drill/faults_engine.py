"""Faults of an engine: it dies, stands still, runs out of memory, starts slowly, has bad weights, misses its hub."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ops.drill.drill import Drill
from ops.drill.scene import Scene
from ops.errors import UserError
from ops.stopping import stop

if TYPE_CHECKING:
    from docker.models.containers import Container

FAILS = frozenset({200, 502, 503})
GGUF_ENGINES = ("ollama", "llamacpp")

# Only files that begin as weights in this format do, so that doing it twice, or undoing what was never done, is safe.
_EVERY_WEIGHT = """find "$1" -type f -size +64k | while read -r file; do
  if [ "$(head -c 4 "$file")" = "NOW" ]; then
    chmod u+w "$file"
    printf 'THEN' | dd of="$file" bs=4 count=1 conv=notrunc status=none
    chmod u-w "$file"
    echo "$file"
  fi
done
"""
GOOD, BAD = "GGUF", "XXXX"
PLACES = ("huggingface.co/443", "registry.ollama.ai/443", "1.1.1.1/443", "169.254.169.254/80")


def process(container: Container) -> int:
    """The number of the container's first process on this machine. Raises UserError when it is not this machine's."""
    pid = int(container.attrs["State"]["Pid"])
    try:
        own = Path("/proc") / str(pid)
        if str(container.id) not in (own / "cgroup").read_text() + (own / "mountinfo").read_text():
            raise OSError
        os.kill(pid, 0)
    except OSError:
        raise UserError(
            f"the first process of {container.name} is none that this user may stop here", fix="run it as root"
        ) from None
    return pid


def not_here(scene: Scene) -> str | None:
    """Why an engine's process cannot be touched from here."""
    try:
        process(scene.container(scene.engine))
    except UserError:
        return "needs root on the machine of the Docker engine"
    return None


@contextmanager
def killed(scene: Scene) -> Iterator[None]:
    """SIGKILL from the host, as the kernel does it: `docker kill` would count as a wish that it stays down."""
    os.kill(process(scene.container(scene.engine)), signal.SIGKILL)
    yield


@contextmanager
def frozen(scene: Scene) -> Iterator[None]:
    """Every process of it stands still, and its connections stay open."""
    container = scene.container(scene.engine)
    container.pause()
    try:
        yield
    finally:
        container.unpause()


@contextmanager
def out_of_memory(scene: Scene) -> Iterator[None]:
    """Something in its container takes all the memory, and the kernel chooses the engine itself."""
    container = scene.container(scene.engine)
    Path(f"/proc/{process(container)}/oom_score_adj").write_text("1000")
    # Reading zeros for the last line of a file that has none takes ever more memory.
    container.exec_run(["tail", "/dev/zero"], detach=True)
    yield


@contextmanager
def slow_start(scene: Scene) -> Iterator[None]:
    """It is started again and stands still in its first moments, as with a disk that is slow to give the weights."""
    import docker.errors

    container = scene.container(scene.engine)
    stop(container)
    container.start()
    try:
        container.pause()
        yield
    finally:
        with suppress(docker.errors.APIError):
            container.unpause()


def no_gguf(scene: Scene) -> str | None:
    """Why its weights cannot be spoiled and mended."""
    kind = scene.settings.hosted[scene.engine].kind
    return None if kind in GGUF_ENGINES else f"{kind} reads another format than GGUF"


def weights(scene: Scene, now: str, then: str) -> list[str]:
    """Give all weights of the engine that begin with the word `now` the word `then`; the files that were changed."""
    workload = scene.settings.workload_of(scene.engine)
    changed: list[str] = []
    for volume in workload.volumes:
        script = f"set -- {volume.path}\n{_EVERY_WEIGHT.replace('NOW', now).replace('THEN', then)}"
        printed = scene.in_volume(scene.names.volume(volume.name), volume.path, script, workload.user)
        changed += printed.split()
    return changed


@contextmanager
def bad_weights(scene: Scene) -> Iterator[None]:
    """The first word of its weights is wrong when it starts again."""
    if not weights(scene, GOOD, BAD):
        raise UserError(f"{scene.engine} has no weights to spoil", fix="this drill knows volumes with GGUF files")
    try:
        scene.container(scene.engine).restart(timeout=10)
        yield
    finally:
        weights(scene, BAD, GOOD)
        scene.container(scene.engine).restart(timeout=10)


def mend(scene: Scene) -> None:
    """Put right what a drill that was killed has left of these faults."""
    container = scene.container(scene.engine)
    if container.status == "paused":
        container.unpause()
    if no_gguf(scene) is None and weights(scene, BAD, GOOD):
        container.restart(timeout=10)
        scene.wait_healthy(scene.engine)


def reaches(scene: Scene, place: str) -> bool:
    """Whether the engine's container can open a connection to `host/port`."""
    return scene.runs(scene.engine, "timeout", "4", "bash", "-c", f"exec 3<>/dev/tcp/{place}")


@contextmanager
def hub_gone(scene: Scene) -> Iterator[None]:
    """It starts again where no hub can be reached: everything it needs is in its volume."""
    if reaches(scene, PLACES[0]):
        raise UserError(f"{scene.engine} reaches {PLACES[0]}, which no engine may", fix="make smoke shows more")
    scene.container(scene.engine).restart(timeout=10)
    yield


@contextmanager
def egress_denied(scene: Scene) -> Iterator[None]:
    """It tries to go out: to a hub, to an address, to where clouds keep a machine's identity."""
    open_ = [place for place in PLACES if reaches(scene, place)]
    if open_:
        raise UserError(f"{scene.engine} reaches {', '.join(open_)}, which no engine may", fix="make smoke shows more")
    yield


DRILLS = (
    Drill("kill", "the engine's process is killed", killed, ("WorkloadRestarted",), FAILS, left_out=not_here),
    Drill(
        "freeze",
        "the engine stands still with its connections open",
        frozen,
        ("EngineDown",),
        # Who asked before the gateway noticed waits until the engine goes on, and a key has only so many places.
        FAILS | {429, 504},
        longest=120,
    ),
    Drill(
        "out-of-memory",
        "the engine's container runs out of memory",
        out_of_memory,
        ("WorkloadOutOfMemory",),
        FAILS,
        left_out=not_here,
    ),
    Drill(
        "slow-start",
        "the engine starts and takes its time",
        slow_start,
        ("EngineDown",),
        FAILS | {429, 504},
        longest=120,
    ),
    Drill(
        "bad-weights",
        "the engine starts with weights that are damaged",
        bad_weights,
        ("EngineDown", "ErrorBudgetBurnFast", "WorkloadRestartsAgain"),
        FAILS | {404, 500, 504},
        longest=60,
        within=180,
        left_out=no_gguf,
    ),
    Drill("hub-gone", "the engine starts and no hub is there", hub_gone, ("WorkloadRestarted",), FAILS),
    Drill("egress-denied", "the engine tries to reach the outside", egress_denied),
)
