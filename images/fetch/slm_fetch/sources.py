"""The kinds of source, each with the function that serves one file, and where it can, the one that serves a folder."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from slm_fetch.azure import azure_folder, from_azure
from slm_fetch.hub import from_hub, hub_folder
from slm_fetch.listing import Offer
from slm_fetch.local import from_path, path_folder
from slm_fetch.neighbour import from_neighbour, neighbour_folder
from slm_fetch.ollama import from_ollama
from slm_fetch.packages import from_packages
from slm_fetch.plan import Plan
from slm_fetch.report import Report
from slm_fetch.store import Found, Store

KINDS: dict[str, Callable[[dict[str, Any], Plan, Store, Report], Found]] = {
    "neighbour": from_neighbour,
    "huggingface": from_hub,
    "ollama": from_ollama,
    "package": from_packages,
    "path": from_path,
    "azure": from_azure,
}

FOLDERS: dict[str, Callable[[dict[str, Any], Plan, Report, threading.Event], AbstractContextManager[Offer]]] = {
    "neighbour": neighbour_folder,
    "huggingface": hub_folder,
    "path": path_folder,
    "azure": azure_folder,
}
