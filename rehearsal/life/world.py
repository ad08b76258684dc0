"""What a life is played in: a simulated Azure, a real control plane, the Pulumi engine. All of it ends with it."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from components.keeping import REHEARSAL
from components.settings import Settings
from components.targets.spec import Aks
from rehearsal import plugins
from rehearsal.control_plane import ControlPlane, Timing
from rehearsal.control_plane.api import Api
from rehearsal.control_plane.errors import NotReady
from rehearsal.life.followers import Followers
from rehearsal.life.pulumi import RehearsedMachine, RehearsedPulumi
from rehearsal.life.site import Overlay, recorded
from rehearsal.life.vault import Driver, Vault
from rehearsal.providers.azure import kubelogin
from rehearsal.providers.azure.cloud import Cloud
from tools.places import CHECKOUT


class World:
    """For one `with` block. `fresh` begins another life: an empty subscription, an empty state."""

    def __init__(self, stack: str, spoken: Callable[[str], None] = lambda _line: None, *, keep: bool = False) -> None:
        """Raises SettingsError and ToolError for a stack that cannot be rehearsed, before anything is started."""
        self.overlay: Overlay = recorded(stack, CHECKOUT)
        self.stack, self.keep, self._spoken = stack, keep, spoken
        self.folder = Path(tempfile.mkdtemp(prefix="slm-rehearsal-"))
        self.lives = 0
        self.disks: list[str] = []
        self._plane: ControlPlane | None = None
        self._followers: Followers | None = None
        self._leaving: Followers | None = None
        self._api: Api | None = None

    def __enter__(self) -> Self:
        try:
            plugins.prepare(self.folder / "plugins")
            self.fresh()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End everything that runs, and remove the folder unless it is to be kept."""
        self.end_cluster()
        for process in self.processes():
            _end(process)
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    def fresh(self) -> None:
        """An empty subscription, an empty state, the stack's file as it is committed."""
        self.end_cluster()
        self.lives += 1
        self.overlay = recorded(self.stack, CHECKOUT)
        self.disks = []
        self.life = self.folder / f"life-{self.lives}"
        self.azure = self.life / "azure"
        self.azure.mkdir(parents=True, mode=0o700)
        self.cloud = Cloud(self.azure)
        self.vault = Vault.of(self.overlay.settings(), self.stack)
        self.driver = Driver(self.cloud, self.vault)
        kubelogin.install(self.life / "programs", self.azure / "kubeconfig")
        machine = RehearsedMachine(self.stack, CHECKOUT, folder=self.life)
        self.pulumi = RehearsedPulumi(machine, self.variables(), self._spoken)
        self.pulumi.ensure_stack()
        self.record()

    def variables(self) -> dict[str, str]:
        """Under which Pulumi finds this life's plugins, login and Azure."""
        found = plugins.environment(self.folder / "plugins")
        return {
            **found,
            "PATH": f"{self.life / 'programs'}:{found['PATH']}",
            REHEARSAL: str(self.azure),
            # The program tells its provider the same. A plugin built from the newest source there is reads this only.
            "PULUMI_K8S_ENABLE_PATCH_FORCE": "true",
        }

    def record(self) -> None:
        """Write what is laid over the stack's file to where the program reads it."""
        self.pulumi.machine.record(self.overlay.sections)

    def settings(self) -> Settings:
        """The stack's settings as the program sees them now."""
        return self.overlay.settings()

    @property
    def target(self) -> Aks:
        """The stack's AKS target."""
        target = self.settings().targets[self.settings().gateway.target]
        if not isinstance(target, Aks):
            raise TypeError(f"target of stack {self.stack} is {type(target).__name__}")
        return target

    @property
    def plane(self) -> ControlPlane:
        """The control plane. Raises LookupError where no cluster is."""
        if self._plane is None:
            raise LookupError("there is no cluster now")
        return self._plane

    @property
    def api(self) -> Api:
        """An administrator at the cluster. Raises LookupError where none is."""
        if self._api is None:
            self._api = self.plane.premises.api()
        return self._api

    @property
    def has_cluster(self) -> bool:
        """Whether an API server answers."""
        return self._plane is not None

    def prepare_cluster(self) -> None:
        """Start the control plane that will play the cluster as soon as the simulated Azure has one."""
        if self._plane is not None:
            return
        plane = ControlPlane(timing=Timing(node_idle=20.0))
        self._plane = plane
        plane.start()
        shutil.copyfile(plane.kubeconfig, self.azure / "kubeconfig")
        self._followers = Followers(self.cloud, plane, self.driver, self._cluster_is_gone)
        self._followers.start()

    def end_cluster(self) -> None:
        """Stop the control plane; the simulated Azure is not asked."""
        if self._followers:
            self._followers.stop()
            self.disks = self._followers.disks or self.disks
        if self._leaving:
            self._leaving.stop()
        if self._api:
            self._api.__exit__()
        if self._plane:
            self._plane.stop()
        self._followers = self._leaving = self._api = self._plane = None

    def check(self) -> None:
        """Raises ControlPlaneError when something of the world has ended by itself."""
        if self._plane:
            self._plane.check()
        if self._followers:
            self._followers.check()

    def wait(self, until: Callable[[], object], what: str, seconds: float = 60.0) -> None:
        """Wait until the condition holds. Raises NotReady, naming `what`."""
        end = time.monotonic() + seconds
        while not until():
            self.check()
            if time.monotonic() > end:
                raise NotReady(f"Waited {seconds:.0f} s for {what}, in vain", fix="see the report")
            time.sleep(0.2)

    def processes(self) -> list[psutil.Process]:
        """Processes that belong to this rehearsal, but for this one: by the variable they were started with."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if str(process.environ().get(REHEARSAL, "")).startswith(str(self.folder)):
                    found.append(process)
        return found

    def _cluster_is_gone(self) -> None:
        """Azure has deleted the cluster, and with it its API server."""
        self.disks = self._followers.disks if self._followers else []
        # Stopping takes a while, and whoever ends this world meanwhile must wait for it.
        self._leaving = self._followers
        plane, self._plane = self._plane, None
        if self._api:
            self._api.__exit__()
        self._api = self._followers = None
        if plane:
            plane.stop()


def _end(process: psutil.Process) -> None:
    with suppress(psutil.Error):
        process.terminate()
        try:
            process.wait(5)
        except psutil.TimeoutExpired:
            process.kill()
