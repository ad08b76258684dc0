"""Batching by onnxruntime-genai's own engine: CUDA, folders for paged attention, and graphs `decoder.py` cannot run."""

from __future__ import annotations

import json
from collections.abc import Hashable

import numpy as np
import onnxruntime_genai as og  # type: ignore[import-untyped]

from .folder import Folder
from .generation import Feature, Finish, Refused, Step, Work

FINISH: dict[str, Finish] = {"EOS": "stop", "MAX_GENERATED_TOKENS": "length", "MAX_SESSION_TOKENS": "length"}


class LibraryBatcher:
    """The batcher on `og.Engine`. See `Batcher`.

    With a folder for paged attention the engine batches continuously. With any other it forms a batch of up to four
    requests and takes the next ones in when all of them have ended, and takes no seed.
    """

    batching = "library"

    def __init__(self, folder: Folder, *, provider: str, parallel: int, context_length: int, threads: int) -> None:
        config = og.Config(str(folder.path))
        config.clear_providers()
        if provider != "cpu":
            config.append_provider(provider)
        options = {"model": {"decoder": {"session_options": {"intra_op_num_threads": threads}}}}
        config.overlay(json.dumps(options))
        self.provider = provider
        self._model = og.Model(config)
        self._engine = og.Engine(self._model)
        self._events = self._engine.create_event_buffer(parallel * 4)
        found = self._engine.get_capabilities()
        self.context_length = min(context_length, folder.context_length, found.max_request_length or context_length)
        self.places = min(parallel, found.configured_max_batch_size or parallel)
        self._folder = folder
        self._requests: dict[Hashable, tuple[og.Request, int, int]] = {}
        self._ended: set[Hashable] = set()
        self._last_batch = 0
        self.kv_capacity_tokens = self.places * self.context_length
        self._used: dict[Hashable, int] = {}
        self.features: frozenset[Feature] = frozenset(
            {"chat", "completions", "streaming", "stop", "tools", "json_schema"}
        )
        if folder.paged:
            self.features |= {"seed"}

    def has_room(self) -> bool:
        """Whether the engine can take one more request; it schedules it when it can."""
        return len(self._requests) < self.places

    def admit(self, key: Hashable, work: Work) -> int:
        """Hand the request to the engine. Raises Refused."""
        limits = og.RequestOptions()
        limits.set_max_session_tokens(len(work.prompt) + work.max_tokens)
        request = self._engine.create_request(options=limits)
        try:
            turn = self._engine_turn(request, work)
            number = request.begin_turn(work.prompt.astype(np.int32), turn)
        except RuntimeError as error:
            request.close()
            raise Refused(str(error).splitlines()[0]) from None
        self._requests[key] = (request, number, len(work.prompt))
        self._used[key] = len(work.prompt)
        return 0

    def _engine_turn(self, request: og.Request, work: Work) -> og.TurnOptions:
        turn, sampling = og.TurnOptions(request), work.sampling
        turn.set_max_generated_tokens(work.max_tokens)
        turn.set_do_sample(sampling.temperature > 0)
        if sampling.temperature > 0:
            turn.set_temperature(sampling.temperature)
            turn.set_top_p(sampling.top_p)
            turn.set_top_k(sampling.top_k)
            if sampling.seed is not None:
                turn.set_seed(sampling.seed % 2**31)
        if work.schema is not None:
            turn.set_guidance("json_schema", work.schema)
        return turn

    def step(self) -> list[Step]:
        """Run the engine once."""
        if not self._engine.has_pending_requests():
            return []
        keys = {(id(request), number): key for key, (request, number, _) in self._requests.items()}
        done: list[Step] = []
        for event in self._engine.run(self._events):
            key = keys.get((id(event.request), event.turn_id))
            if key is None:
                continue
            flags, flag = event.flags.value, og.EngineEventFlags
            ended = bool(flags & flag.TURN_FINISHED.value)
            token = int(event.token) if flags & flag.TOKEN.value else None
            failed = bool(flags & flag.FAILED.value) and not flags & flag.RETRYABLE.value
            if token is not None:
                self._used[key] += 1
            if token in self._folder.end_tokens:
                token = None
            reason = FINISH.get(event.finish_reason.name) if ended else None
            error = f"the engine failed: {event.error_code.name}" if failed or (ended and reason is None) else None
            if ended or failed:
                self._ended.add(key)
            if token is not None or reason or error:
                done.append(Step(key, token, reason, error))
        self._last_batch = sum(step.token is not None for step in done)
        return done

    def release(self, key: Hashable) -> None:
        """Cancel what is not finished, and close."""
        found = self._requests.pop(key, None)
        self._used.pop(key, None)
        if found is None:
            return
        request, number, _ = found
        if key not in self._ended:
            request.cancel_turn(number)
        self._ended.discard(key)
        request.close()

    def kv_used_tokens(self) -> int:
        """Tokens of the running sequences."""
        return sum(self._used.values())

    def batch_size(self) -> int:
        """Sequences that got a token in the last step."""
        return self._last_batch
