"""Secrets that must be nowhere: made up for one rehearsal, and looked for in all their spellings (pure)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class Search:
    """Texts searched for secrets. `hits` names the secret and where it was, never what it is."""

    secrets: Mapping[str, str]
    places: int = 0
    hits: set[str] = field(default_factory=set)

    def look(self, place: str, content: str | bytes) -> None:
        """Look for every secret in a text."""
        data = content.encode() if isinstance(content, str) else content
        self.places += 1
        for name, secret in self.secrets.items():
            if any(spelling in data for spelling in spellings(secret)):
                self.hits.add(f"{name} in {place}")


def spellings(secret: str) -> list[bytes]:
    """A secret as it is, in hexadecimal, and in base64 wherever it begins in a longer text."""
    raw = secret.encode()
    coded = [base64.b64encode(b"x" * shift + raw)[4:-4] for shift in range(3)]
    return [raw, raw.hex().encode(), *coded]
