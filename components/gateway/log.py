"""What the gateway writes of each request: one JSON object on one line (pure)."""

from __future__ import annotations

import re

LINE_BYTES = 4096
CONTENTS_LINE_BYTES = 65535
"""The longest line HAProxy can write. Docker cuts it into pieces, which the collector joins again."""

CONTENTS_BYTES = 5000
"""Bytes of a prompt and of an answer that a line has room for, even where each must be written as six characters."""

_FIELDS = (
    # No query string, no header, no body; of the key, its id. The model is written only once it is known to be one of
    # ours: what a client sends in its place could be anything.
    '"time":"%[date,utime(%Y-%m-%dT%H:%M:%SZ)]"',
    '"id":"%ID"',
    '"client":"%ci"',
    '"key":"%[var(txn.key)]"',
    '"method":"%[var(txn.method),json(utf8s)]"',
    '"path":"%[var(txn.path),json(utf8s)]"',
    '"model":"%[var(txn.served),json(utf8s)]"',
    '"status":%ST',
    '"refused":"%[var(txn.refused),json(utf8s)]"',
    '"to":"%b"',
    '"tokens_in":%[var(txn.tokens_in,null)]',
    '"tokens_out":%[var(txn.tokens_out,null)]',
    '"queue_ms":%Tw',
    '"connect_ms":%Tc',
    '"first_byte_ms":%Tr',
    '"ttft_ms":%[var(txn.ttft_ms,null)]',
    '"total_ms":%Ta',
    '"bytes_in":%U',
    '"bytes_out":%B',
    '"end":"%tsc"',
)

_CONTENTS = ('"prompt":"%[var(txn.prompt),json(utf8s)]"', '"answer":"%[var(txn.answer),json(utf8s)]"')


_UNSET = re.compile(r"%\[var\(txn\.\w+,null\)\]")


def log_format(*, contents: bool) -> str:
    """The line in HAProxy's log format. With `contents` it also has the request's body and that of a whole answer.

    A `-` stands for a text that is not known, `null` for such a number: tokens are known of whole answers that tell
    them, the time to the first token of streamed ones.
    """
    return "{" + ",".join((*_FIELDS, *(_CONTENTS if contents else ()))) + "}"


def error_log_format() -> str:
    """The line about what never became a request. It has no variables then, and not even their defaults."""
    return _UNSET.sub("null", log_format(contents=False))


def line_bytes(*, contents: bool) -> int:
    """The longest line that is written whole."""
    return CONTENTS_LINE_BYTES if contents else LINE_BYTES
