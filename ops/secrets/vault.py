"""Secrets of a stack on a cluster with a key vault: what lies in the vault, and how new values reach running pods.

The vault holds what pods get as files; the stack's encrypted configuration holds the API keys that people use, of which
only digests go into the vault. Pulumi never reads either, so neither is in its state.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from components.gateway import key_map
from components.gateway.settings import KEYS_SECRET
from components.gateway.upstream import BEARER_PREFIX, PLAIN_PREFIX, key_file
from components.plan import plan
from components.settings import Settings
from components.settings.image_rules import SOME_IMAGE
from components.sizing.auto import resolved
from components.targets.aks.site import site_of
from components.targets.kubernetes.names import Names
from components.targets.spec import Aks
from components.webui.workload import NAME as WEBUI
from components.webui.workload import SECRETS as WEBUI_SECRETS
from components.workload import Workload
from ops.secrets.vault_store import Store

POLL_SECONDS = 120
"""How often the cluster asks the vault for new values (components.targets.aks.profiles.SECRETS_POLL)."""


def vault_of(settings: Settings) -> str | None:
    """The name of the vault that holds the stack's secrets; None where its configuration does."""
    target = settings.targets[settings.gateway.target]
    return target.vault.name if isinstance(target, Aks) and target.vault else None


def wanted(settings: Settings, stack: str) -> list[str]:
    """Names of all secrets that a workload of the stack gets as a file, in the order of the stack."""
    images = {role: settings.images.get(role, SOME_IMAGE) for role in settings.roles()}
    known = settings.model_copy(update={"images": {**settings.images, **images}})
    naming = {
        name: Names(site_of(spec), stack)
        for name in settings.targets
        if isinstance(spec := resolved(settings, name), Aks)
    }
    named = (s.secret for planned in plan(known, naming) for w in _with_jobs(planned.workload) for s in w.secrets)
    return list(dict.fromkeys(named))


def content_of(name: str, keys: Mapping[str, str], webui: Mapping[str, str], given: Mapping[str, str]) -> str | None:
    """What the secret file `name` holds, or None where nobody gave it yet.

    `keys` are people's API keys by id, `webui` the chat page's secrets (empty for a stack without one), `given` what
    people gave by name. Raises ValueError for an upstream's key that no header can carry.
    """
    if name == KEYS_SECRET:
        own = {WEBUI: webui[WEBUI_SECRETS["api-key"]]} if webui else {}
        return key_map({**keys, **own}) if keys else None
    for prefix, bearer in ((BEARER_PREFIX, True), (PLAIN_PREFIX, False)):
        if name.startswith(prefix):
            plain = given.get(name.removeprefix(prefix))
            return None if plain is None else key_file(plain, bearer=bearer)
    return webui.get(name, given.get(name))


def fill(store: Store, contents: Mapping[str, str]) -> list[str]:
    """Bring the vault up to date; gives the names whose content is new. What is there already makes no new version."""
    changed = [name for name, content in contents.items() if store.get(name) != content]
    for name in changed:
        store.set(name, contents[name])
    return changed


def missing(store: Store, names: list[str]) -> list[str]:
    """Names that pods would wait for in vain."""
    return [name for name in names if store.get(name) is None]


def decoded(text: str | None) -> dict[str, str]:
    """A JSON object of names to texts, as the stack's configuration keeps several secrets in one; empty for nothing."""
    held: dict[str, str] = json.loads(text or "{}")
    return held


def _with_jobs(workload: Workload) -> Iterator[Workload]:
    yield workload
    for volume in workload.filled_volumes:
        yield from volume.fill
