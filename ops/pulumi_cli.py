"""Run the Pulumi command line for one stack, with this machine's state and the project's own tools."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from components.settings.stack_file import file_name
from components.yaml_file import read as read_yaml
from ops.errors import UserError
from ops.failures import explain
from ops.machine import PASSPHRASE, Machine, write_private
from tools.environment import toolchain_environment


@dataclass(frozen=True)
class Result:
    """What a finished command printed."""

    code: int
    output: str


def _stop(process: subprocess.Popen[str], then: Callable[[], object]) -> None:
    """Let Pulumi end its current steps and write its state, or the next run would meet steps of unknown outcome.

    A second interrupt makes it stop at once.
    """
    print("\ninterrupted: Pulumi ends its current steps; once more stops it at once", file=sys.stderr)
    process.send_signal(signal.SIGINT)
    then()
    while process.stdout and process.poll() is None:
        try:
            process.stdout.read()
            process.wait()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)


def _passphrase_given() -> bool:
    # A workflow's variable that nobody has set is there, and empty.
    return "PULUMI_CONFIG_PASSPHRASE" in os.environ or bool(os.environ.get("PULUMI_CONFIG_PASSPHRASE_FILE"))


class Pulumi:
    """The Pulumi command line bound to one stack."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def environment(self) -> dict[str, str]:
        """The variables under which plain `pulumi` works on this stack. What the caller has set himself stays."""
        own = {
            **toolchain_environment(),
            "PULUMI_BACKEND_URL": f"file://{self.machine.backend}",
            "PULUMI_OPTION_CONFIG_FILE": str(self.machine.config_file),
        }
        if not _passphrase_given():
            own["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(self.machine.passphrase_file)
        if os.environ.get("PULUMI_BACKEND_URL"):
            own["PULUMI_BACKEND_URL"] = os.environ["PULUMI_BACKEND_URL"]
        return own

    def has_passphrase(self) -> bool:
        """Whether a passphrase is here or was given, without making one."""
        return _passphrase_given() or (self.machine.config_path.parent / PASSPHRASE).exists()

    def can_open(self) -> bool:
        """Whether what opens the stack's secrets may be here: its passphrase, or a provider that has none."""
        return self.has_passphrase() or self.secrets_provider not in (None, "passphrase")

    def run(
        self,
        *arguments: str,
        stdin: str | None = None,
        on_line: Callable[[str], None] | None = None,
        cwd: Path | None = None,
        own_config: bool = True,
        extra: Mapping[str, str] | None = None,
        on_interrupt: Callable[[], object] = lambda: None,
    ) -> Result:
        """Run to the end and give exit code and output, both streams together in the order written.

        `on_interrupt` is called once Pulumi was told to stop, and ends what Pulumi would otherwise wait for.
        """
        environment = {**os.environ, **self.environment(), **(extra or {})}
        if not own_config:
            del environment["PULUMI_OPTION_CONFIG_FILE"]
        process = subprocess.Popen(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=cwd or self.machine.project,
            env=environment,
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
            # A group of its own: an interrupt of the terminal reaches Pulumi once, through us.
            process_group=0,
        )
        if stdin is not None and process.stdin:
            process.stdin.write(stdin)
            process.stdin.close()
        lines: list[str] = []
        with process:
            try:
                for line in process.stdout or ():
                    lines.append(line)
                    if on_line:
                        on_line(line.rstrip("\n"))
            except KeyboardInterrupt:
                _stop(process, on_interrupt)
                raise
        return Result(process.returncode, "".join(lines))

    def check(self, *arguments: str, **options: Any) -> str:
        """Like `run`, and raises UserError with an explanation when the command fails."""
        result = self.run(*arguments, **options)
        if result.code != 0:
            raise explain(self.machine.stack, arguments[0], result.output)
        return result.output

    @property
    def secrets_provider(self) -> str | None:
        """What encrypts the stack's secrets, as its committed file says; None for a file without a word of it."""
        path = self.machine.project / file_name(self.machine.stack)
        provider = read_yaml(path).get("secretsprovider") if path.exists() else None
        return None if provider is None else str(provider)

    def exists(self) -> bool:
        """Whether the state's place has the stack. Raises UserError where it cannot be asked."""
        known = self.run("stack", "ls", "--json", "--project", "slm")
        if known.code != 0:
            raise explain(self.machine.stack, "stack ls", known.output)
        return any(stack["name"] == self.machine.stack for stack in json.loads(known.output or "[]"))

    def ensure_stack(self) -> None:
        """Make the stack in this machine's state when it is not there yet; take over what it was deployed with."""
        if self.exists():
            self._adopt()
        else:
            self.make()

    def make(self, *, restored: bool = False) -> None:
        """Make the stack in the state's place. Raises UserError.

        Keys in the machine's configuration belong to a state. Where that one is put back right after, `restored`, they
        stay as they are.
        """
        # `stack init` writes the encryption salt beside Pulumi.yaml, whatever configuration file it is told to
        # use. In a folder with a copy of Pulumi.yaml it writes there, and the committed file stays as it is.
        with tempfile.TemporaryDirectory(dir=self.machine.directory) as folder:
            (Path(folder) / "Pulumi.yaml").write_text((self.machine.project / "Pulumi.yaml").read_text())
            provider = ["--secrets-provider", self.secrets_provider] if self.secrets_provider else []
            self.check("stack", "init", self.machine.stack, *provider, cwd=Path(folder), own_config=False)
            written = yaml.safe_load((Path(folder) / f"Pulumi.{self.machine.stack}.yaml").read_text()) or {}
        if written.get("encryptionsalt") and self.machine.config().get("encryptionsalt"):
            if restored:
                return
            raise UserError(
                f"{self.machine.config_file} has keys of a stack whose state is gone",
                harm="those keys cannot be decrypted with the new stack's salt",
                fix=f"make state-restore STACK={self.machine.stack}, where a copy of the state is;"
                " else move the file away and run the command again: new keys are made",
            )
        document = {**self.machine.config(), **written}
        write_private(self.machine.config_file, yaml.safe_dump(document, sort_keys=False))

    def _adopt(self) -> None:
        """Take over the configuration that the stack was last deployed with, where this machine has none of its own.

        A job of CI begins on an empty machine: without this it would make other keys, and retire everybody's.
        """
        own = self.machine.config() if self.machine.config_path.exists() else {}
        if own.get("encryptionsalt") or own.get("encryptedkey"):
            return
        with tempfile.TemporaryDirectory(dir=self.machine.directory) as folder:
            (Path(folder) / "Pulumi.yaml").write_text((self.machine.project / "Pulumi.yaml").read_text())
            done = self.run(
                "config", "refresh", "--force", "-s", self.machine.stack, cwd=Path(folder), own_config=False
            )
            path = Path(folder) / f"Pulumi.{self.machine.stack}.yaml"
            if done.code != 0 or not path.exists():
                return  # It was made and never deployed: there is nothing to take over.
            found = yaml.safe_load(path.read_text()) or {}
        config = {**(found.get("config") or {}), **(own.get("config") or {})}
        write_private(self.machine.config_file, yaml.safe_dump({**found, "config": config}, sort_keys=False))

    def secret(self, key: str) -> str | None:
        """The decrypted configuration value, or None where it is not set. Never log it."""
        if f"slm:{key}" not in (self.machine.config().get("config") or {}):
            return None
        return self.check("config", "get", f"slm:{key}", "-s", self.machine.stack).rstrip("\n")

    def set_secret(self, key: str, value: str) -> None:
        """Encrypt a value into the machine's configuration file; it goes through a pipe, never through arguments."""
        self.check("config", "set", "--secret", f"slm:{key}", "-s", self.machine.stack, stdin=value)
