"""The typed description of a stack: what `Pulumi.<stack>.yaml` may say, and how it is read and checked."""

from components.settings.fleet import Fleet
from components.settings.loading import from_pulumi_config, load, load_fleet, load_overlay
from components.settings.model import Settings
from components.settings.permissions import Security, SecurityException
from components.settings.problems import Problem, SettingsError
from components.settings.secret_words import passphrase_problem

__all__ = [
    "Fleet",
    "Problem",
    "Security",
    "SecurityException",
    "Settings",
    "SettingsError",
    "from_pulumi_config",
    "load",
    "load_fleet",
    "load_overlay",
    "passphrase_problem",
]
