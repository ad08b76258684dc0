"""Commands that tests do something to while they go on."""

from __future__ import annotations

import subprocess
import threading
import time

from tests.docker.project import Finished


class Running:
    """A command that runs, and what it has said by now."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process, self._lines = process, list[str]()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            self._lines.append(line)

    @property
    def output(self) -> str:
        return "".join(self._lines)

    @property
    def goes_on(self) -> bool:
        return self._process.poll() is None

    def wait_for(self, words: str, seconds: float = 240) -> None:
        end = time.monotonic() + seconds
        while words not in self.output:
            assert self._process.poll() is None, f"it ended before '{words}':\n{self.output}"
            assert time.monotonic() < end, f"'{words}' did not come:\n{self.output}"
            time.sleep(0.05)

    def end(self, seconds: float = 420) -> Finished:
        code = self._process.wait(seconds)
        self._reader.join(10)
        if self._process.stdout:
            self._process.stdout.close()
        return Finished(code, self.output)
