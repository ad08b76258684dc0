"""The environment variables under which Pulumi, its plugins and its programs find each other."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tools.installer import Installer
from tools.places import BUNDLE, VENV, pulumi_home


def toolchain_environment(installer: Installer | None = None) -> dict[str, str]:
    """What to add to the environment of a process that uses the tools. Installs nothing and looks at no network.

    `PATH` is the caller's with the tools and the Python environment first: a language host built from packages
    looks there for `python3`. A Go that was fetched for building comes last. Python keeps its bytecode even where an
    image's environment says otherwise: Pulumi starts the program several times for each command, and without bytecode
    each start compiles its SDKs anew, for seconds.
    """
    installer = installer or Installer()
    path = [str(installer.programs), str(VENV / "bin"), os.environ.get("PATH", os.defpath)]
    go: Path = installer.folder("go") / installer.table["go"].executable
    if go.exists() and not shutil.which("go"):
        path.append(str(go.parent))
    found = {
        "PATH": os.pathsep.join(path),
        "VIRTUAL_ENV": str(VENV),
        "PYTHONDONTWRITEBYTECODE": "",
        "PULUMI_HOME": str(pulumi_home(installer.cache)),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_AUTOMATION_API_SKIP_VERSION_CHECK": "true",
    }
    if installer.origin("pulumi").get("way") == "build" or BUNDLE.exists():
        # It was built because Pulumi's own site did not answer, or came in a bundle: do not wait for that site again.
        found["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true"
    return found
