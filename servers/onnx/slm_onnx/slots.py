"""Continuous batching in slots: a request joins while others are being answered, and leaves within one token.

Rows of the cache are kept in this order: first those that get a token in each step, then those whose prompt is being
read, and free ones. A free row keeps what it held, so a request that begins like an earlier one reads only the rest.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

import numpy as np

from .decoder import Decoder
from .folder import Folder
from .generation import Feature, Refused, Step, Tokens, Work
from .guidance import Grammars, Guide
from .sampling import Sampler

BUSY_SHARE = 8
"""A prompt is read in pieces this many times smaller while others wait for their next token."""


@dataclass(eq=False, slots=True)
class Sequence:
    """One request in its row."""

    key: Hashable
    work: Work
    row: int
    sampler: Sampler
    guide: Guide | None
    next: int
    generated: int = field(default=0)


class SlotBatcher:
    """The batcher for the CPU. See `Batcher`."""

    provider = "cpu"
    batching = "slots"

    def __init__(
        self, folder: Folder, *, parallel: int, context_length: int, threads: int, chunk: int, prefix_cache: bool
    ) -> None:
        self.context_length = min(context_length, folder.context_length)
        self._decoder = Decoder(folder, parallel, self.context_length, threads)
        self._folder, self.places, self._chunk, self._prefix_cache = folder, parallel, chunk, prefix_cache
        self._held = np.zeros((parallel, self.context_length), dtype=np.int64)
        self._active: list[Sequence] = []
        self._reading: list[Sequence] = []
        self._last_batch = 0
        self._grammars = Grammars(folder.path, folder.vocab_size, folder.end_tokens)
        self.kv_capacity_tokens = parallel * self.context_length
        self.features: frozenset[Feature] = frozenset(
            {"chat", "completions", "streaming", "stop", "tools", "json_schema", "seed"}
        )

    def has_room(self) -> bool:
        """Whether a row is free."""
        return len(self._active) + len(self._reading) < self.places

    def admit(self, key: Hashable, work: Work) -> int:
        """Give the sequence the free row whose content fits best. Raises Refused."""
        guide = self._grammars.guide(work.schema) if work.schema is not None else None
        row, shared = self._best_row(work.prompt)
        self._decoder.lengths[row] = shared
        self._held[row, : len(work.prompt)] = work.prompt
        sequence = Sequence(key, work, row, Sampler(work.sampling), guide, int(work.prompt[-1]))
        self._reading.append(sequence)
        if shared == len(work.prompt) - 1:
            self._activate(sequence)
        return shared

    def _best_row(self, prompt: Tokens) -> tuple[int, int]:
        """A free row and how many tokens of the prompt it holds already; the last one is always read anew."""
        taken = {sequence.row for sequence in (*self._active, *self._reading)}
        best, shared = -1, -1
        for row in range(self.places):
            if row in taken:
                continue
            length = min(int(self._decoder.lengths[row]), len(prompt) - 1) if self._prefix_cache else 0
            same = self._held[row, :length] == prompt[:length]
            count = length if same.all() else int(same.argmin())
            # Among equals the emptiest row is taken, so that what others hold may still serve someone.
            if (count, -self._decoder.lengths[row]) > (shared, -self._decoder.lengths[best] if best >= 0 else 0):
                best, shared = row, count
        return best, shared

    def _activate(self, sequence: Sequence) -> None:
        self._reading.remove(sequence)
        self._move(sequence, len(self._active))
        self._active.append(sequence)

    def _move(self, sequence: Sequence, row: int) -> None:
        """Bring a sequence into a row; whoever is there goes to its old one."""
        if row == sequence.row:
            return
        for other in (*self._active, *self._reading):
            if other.row == row:
                other.row = sequence.row
        self._decoder.swap(sequence.row, row)
        self._held[[sequence.row, row]] = self._held[[row, sequence.row]]
        sequence.row = row

    def step(self) -> list[Step]:
        """One token for everyone whose prompt is read, and a piece of the prompt that has waited longest."""
        done = self._decode() if self._active else []
        self._last_batch = len(self._active)
        if self._reading:
            self._read(self._reading[0])
        return done

    def _read(self, sequence: Sequence) -> None:
        start = int(self._decoder.lengths[sequence.row])
        size = self._chunk if not self._active else max(8, self._chunk // BUSY_SHARE)
        piece = sequence.work.prompt[start : min(start + size, len(sequence.work.prompt) - 1)]
        if len(piece):
            self._decoder.read(piece, sequence.row)
        if start + len(piece) == len(sequence.work.prompt) - 1:
            self._activate(sequence)

    def _decode(self) -> list[Step]:
        tokens = np.array([sequence.next for sequence in self._active], dtype=np.int64)
        for sequence, before in zip(self._active, self._decoder.lengths, strict=False):
            self._held[sequence.row, before] = sequence.next
        logits = self._decoder.step(tokens)
        return [self._choose(sequence, logits[row]) for row, sequence in enumerate(self._active)]

    def _choose(self, sequence: Sequence, logits: np.ndarray[tuple[int], np.dtype[np.float32]]) -> Step:
        try:
            token = sequence.sampler.choose(logits, sequence.guide.allowed() if sequence.guide else None)
        except Refused as refused:
            return Step(sequence.key, None, error=str(refused))
        sequence.generated += 1
        if token in self._folder.end_tokens:
            return Step(sequence.key, None, "stop")
        sequence.next = token
        if sequence.guide:
            sequence.guide.accept(token)
        full = len(sequence.work.prompt) + sequence.generated >= self.context_length
        return Step(sequence.key, token, "length" if full or sequence.generated >= sequence.work.max_tokens else None)

    def release(self, key: Hashable) -> None:
        """Free the row; what it holds stays for a later request that begins alike."""
        for sequence in self._reading:
            if sequence.key == key:
                self._reading.remove(sequence)
                return
        for sequence in self._active:
            if sequence.key == key:
                last = self._active[-1]
                self._move(last, sequence.row) if last is not sequence else None
                self._active[self._active.index(sequence)] = last
                self._active.pop()
                return

    def kv_used_tokens(self) -> int:
        """Tokens of the running sequences."""
        return int(sum(self._decoder.lengths[s.row] for s in (*self._active, *self._reading)))

    def batch_size(self) -> int:
        """Sequences that got a token in the last step."""
        return self._last_batch
