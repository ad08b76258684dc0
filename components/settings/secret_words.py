"""What looks like a secret must not be in a file that is committed, nor in a message on a screen."""

from __future__ import annotations

import math
import re
from collections import Counter

_KNOWN = (
    r"\bhf_[A-Za-z0-9]{8,}",
    r"\b(sk|pk|rk|slm)-[A-Za-z0-9_-]{16,}",
    r"\bgh[pousr]_[A-Za-z0-9]{16,}|\bgithub_pat_[A-Za-z0-9_]{16,}",
    r"\bglpat-[A-Za-z0-9_-]{16,}",
    r"\bpul-[0-9a-f]{32,}",
    r"\bA(KI|SI)A[A-Z0-9]{12,}",
    r"\bxox[abprs]-[A-Za-z0-9-]{10,}",
    r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
)
_FIELD = re.compile(r"(^|[_-])(password|passwd|passphrase|secret|token|api[_-]?keys?|credentials?)$", re.IGNORECASE)
NAMES_OF_SECRETS = tuple(f"{what}_secret" for what in ("token", "key", "certificate", "password", "url"))
"""Ends of fields that hold the name of a secret, and so no secret."""

_CREDENTIALS_IN_URL = re.compile(r"(?<=://)[^/@\s]*:[^/@\s]*(?=@)")

WELL_KNOWN_PASSPHRASES = frozenset(
    ("admin", "changeme", "default", "dev", "letmein", "pass", "passphrase", "password", "prod", "pulumi", "secret")
)
SHORTEST_PASSPHRASE = 16


def looks_like_a_secret(text: str) -> bool:
    """Whether a value has the form of a known credential, or is as random as one."""
    return any(re.search(pattern, text) for pattern in _KNOWN) or _is_random(text)


def is_secret_field(name: str) -> bool:
    """Whether a field of this name would hold a secret value ('token', 'api_key'; not 'token_secret', a name)."""
    return bool(_FIELD.search(name)) and not name.endswith(NAMES_OF_SECRETS)


def shown(value: object, field: str = "") -> str:
    """A scalar for a message: short, on one line, and without anything that could be secret."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return str(value)
    if looks_like_a_secret(value) or is_secret_field(field):
        return "(redacted)"
    text = _CREDENTIALS_IN_URL.sub("(redacted)", value)
    text = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
    return f"'{text}'" if len(text) <= 60 else f"'{text[:57]}…'"


def passphrase_problem(passphrase: str | None) -> str | None:
    """Why a passphrase must not protect a production stack's secrets, or None."""
    fix = "put 32 random characters in a file and name it in PULUMI_CONFIG_PASSPHRASE_FILE, or use a key vault"
    if not (passphrase or "").strip():
        return f"an empty passphrase protects nothing: refused for a production stack — {fix}"
    words = re.split(r"[^a-z]+", str(passphrase).strip().lower())
    if all(word in WELL_KNOWN_PASSPHRASES for word in words if word) or len(str(passphrase)) < SHORTEST_PASSPHRASE:
        return (
            "a well-known or short passphrase is tried first by whoever finds the state: refused for a production"
            f" stack — {fix}"
        )
    return None


def _is_random(text: str) -> bool:
    # Digests, commits and fingerprints are random too, but public: they are hexadecimal or carry a prefix. Names made
    # of words have separators that a random text of this length rarely has.
    if not re.fullmatch(r"[A-Za-z0-9+_=-][A-Za-z0-9+/_=-]{31,}", text):
        return False
    part = max(re.split(r"[^A-Za-z0-9]", text), key=len)
    kinds = (any(c.islower() for c in part), any(c.isupper() for c in part), any(c.isdigit() for c in part))
    entropy = -sum(n / len(part) * math.log2(n / len(part)) for n in Counter(part).values())
    return len(part) >= 16 and all(kinds) and entropy > 3.5
