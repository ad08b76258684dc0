"""Somebody who uses the stack all the while: one short request a second, and what came of each."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import httpx

CANARY = "canary-of-a-drill-52d1e8"
"""Stands in every prompt, so that it can be looked for where no prompt may be."""

PATIENCE = 120
"""Seconds a request may take before its client gives up."""

NO_ANSWER = 0
"""In place of a status, for a request that nobody answered."""

WORKERS = 12
"""Fewer than the requests one key may have running, so that a drill is not refused for its own number."""


@dataclass(frozen=True)
class Answer:
    """One request: when it began (seconds since 1970), how long it took, its status and the gateway's id of it."""

    begun: float
    seconds: float
    status: int
    id: str = ""
    says_when: bool = True
    """Whether an answer that passes by itself says when to try again."""


class Traffic:
    """Asks `url` for `model` once a second until it is stopped. `key` is looked up for each request."""

    def __init__(self, url: str, model: str, key: Callable[[], str], every: float = 1.0) -> None:
        self._url, self._model, self._key, self._every = url, model, key, every
        self._stopped = threading.Event()
        self._pool = ThreadPoolExecutor(WORKERS)
        self._futures: list[Future[Answer]] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> Traffic:
        """Begin."""
        self._thread.start()
        return self

    def stop(self) -> list[Answer]:
        """Ask no more; what came of all, once each has been answered or given up."""
        self._stopped.set()
        self._thread.join()
        self._pool.shutdown(wait=True)
        return self.answers()

    def answers(self) -> list[Answer]:
        """What is known up to now."""
        return [future.result() for future in list(self._futures) if future.done()]

    def _run(self) -> None:
        while not self._stopped.wait(self._every):
            self._futures.append(self._pool.submit(self.ask))

    def ask(self) -> Answer:
        """One request."""
        body = {"model": self._model, "prompt": f"{CANARY}: say one word.", "max_tokens": 1}
        begun, start = time.time(), time.monotonic()
        try:
            answer = httpx.post(
                f"{self._url}/completions",
                headers={"Authorization": f"Bearer {self._key()}"},
                json=body,
                timeout=PATIENCE,
                trust_env=False,
            )
        except httpx.HTTPError:
            return Answer(begun, time.monotonic() - start, NO_ANSWER)
        passes = answer.status_code in (429, 502, 503, 504)
        return Answer(
            begun,
            time.monotonic() - start,
            answer.status_code,
            answer.headers.get("x-request-id", ""),
            "retry-after" in answer.headers or not passes,
        )


def counted(answers: list[Answer]) -> dict[str, int]:
    """How many answers had which status, in the order of their numbers."""
    numbers = Counter("none" if a.status == NO_ANSWER else str(a.status) for a in answers)
    return dict(sorted(numbers.items()))
