"""The tags of an image, asked of its registry as the distribution specification says."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urljoin
from urllib.request import parse_http_list, parse_keqv_list

import httpx
from docker.auth import INDEX_URL

from ops.errors import UserError
from ops.pin.http import get


def place(repository: str) -> tuple[str, str]:
    """Address of the registry and name there; names without a host are Docker Hub's."""
    host, slash, rest = repository.partition("/")
    if slash and "." in host:
        return f"https://{host}", rest
    return urljoin(INDEX_URL, "/").rstrip("/"), repository if slash else f"library/{repository}"


def tags(registry: str, name: str) -> Iterator[str]:
    """Every tag. Raises UserError where nobody answers, or only those with an account."""
    url = f"{registry}/v2/{name}/tags/list"
    token = _token(url, name)
    while url:
        answer = get(url, name, token=token)
        yield from map(str, answer.json()["tags"])
        following = answer.links.get("next", {}).get("url")
        url = urljoin(url, following) if following else ""


def _token(url: str, name: str) -> str | None:
    """The token that a registry gives to anybody who asks; None where it wants none."""
    try:
        asked = httpx.get(url, timeout=20, follow_redirects=True)
    except httpx.HTTPError as error:
        raise UserError(f"{name} cannot be looked up at {url}: {error or type(error).__name__}") from None
    kind, _, challenge = asked.headers.get("www-authenticate", "").partition(" ")
    if asked.status_code != 401 or kind.lower() != "bearer":
        return None
    said = parse_keqv_list(parse_http_list(challenge))
    query = {key: value for key, value in said.items() if key in ("service", "scope")}
    given = get(said["realm"], name, query=query).json()
    return str(given.get("token") or given["access_token"])
