"""Content of secret files on its way into the cluster (pure)."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping

REVISION_ANNOTATION = "slm.files/revision"
"""On the pods of a workload that reads its secrets at its start only: another content is another pod."""


def encoded(content: str) -> str:
    """The content as a Secret's `data` has it."""
    return base64.b64encode(content.encode()).decode()


def revision(contents: Mapping[str, str], salt: str) -> str:
    """Sixteen hex digits that change when any content does.

    Whoever may read pods sees them, so they must not tell what the content is: a slow, salted digest of all files
    together, of which no single one can be guessed (control 65).
    """
    text = json.dumps(dict(contents), sort_keys=True).encode()
    return hashlib.scrypt(text, salt=salt.encode(), n=2**14, r=8, p=1, dklen=8).hex()
