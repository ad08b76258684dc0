"""How a conversation finds the copy of an engine that has computed its beginning before (pure)."""

from __future__ import annotations

from dataclasses import dataclass

PREFIX_HEADER = "x-slm-prefix"
"""Carries a digest of the beginning through the choice of a server; HAProxy chooses by headers, not by variables."""

PREFIX_BYTES = 1024
"""Of each text: enough to tell conversations apart, little to hash."""

_FIELDS = ("$.messages[0].content", "$.messages[1].content", "$.prompt", "$.input")
"""A chat's first two messages are the same in all its turns. Other interfaces have one text."""


@dataclass(frozen=True)
class Source:
    """A variable of a request and HAProxy's expression for it."""

    variable: str
    expression: str

    @property
    def name(self) -> str:
        """The variable as converters write it."""
        return f"txn.{self.variable}"


def prefix_sources() -> list[Source]:
    """The texts whose beginnings are hashed together. Without any, the copies take turns."""
    return [
        Source(f"prefix{number}", f"req.body,json_query('{field}'),bytes(0,{PREFIX_BYTES})")
        for number, field in enumerate(_FIELDS)
    ]


def prefix_digest() -> str:
    """HAProxy's expression for the digest of all of them; those that are not there add nothing."""
    texts = ",".join(f"concat(,{source.name},)" for source in prefix_sources())
    return f"str(),{texts},xxh64,hex"
