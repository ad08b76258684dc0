"""API keys by their ids, and how old each is, out of what the stack's Prometheus says (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from components.workload import Value
from ops.prometheus import Sample

DAY = 24 * 3600
KEY_SERIES = ("slm:key_info", "slm:key_age_seconds", "slm:key_max_age_seconds")


class Key(Value):
    """An API key. `age` is in seconds, None where nobody wrote down when it was made; `old`: it is to be replaced."""

    name: str
    age: float | None = None
    old: bool = False

    @property
    def told(self) -> str:
        """Its id and its age in words."""
        if self.age is None:
            return f"{self.name} of unknown age"
        days = int(self.age // DAY)
        return f"{self.name} {days} day{'' if days == 1 else 's'} old"


def keys_in(samples: Iterable[Sample]) -> Iterator[Key]:
    """The keys that monitoring knows, by name."""
    found = [sample for sample in samples if sample.name in KEY_SERIES]
    limit = next((sample.value for sample in found if sample.name == "slm:key_max_age_seconds"), float("inf"))
    ages = {s.labels["key"]: s.value for s in found if s.name == "slm:key_age_seconds"}
    for name in sorted(s.labels["key"] for s in found if s.name == "slm:key_info"):
        age = ages.get(name)
        yield Key(name=name, age=age, old=age is not None and age > limit)
