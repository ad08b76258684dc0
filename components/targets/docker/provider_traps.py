"""Where the Docker provider reads a value back in another spelling than it was written.

It would then see a change at every preview. Each function returns the one spelling the provider itself would write;
they are met here and nowhere else.
"""

from __future__ import annotations

from decimal import Decimal

CAPABILITIES_TO_DROP = ["ALL"]
"""The daemon stores `ALL` and `CAP_NAME` in capitals;
`all` or `NET_ADMIN` would replace the container at each update."""

REPLACE_ON_CHANGES = ["healthcheck", "init", "destroyGraceSeconds"]
"""Properties the provider claims to update in place while the daemon ignores the change."""


def go_duration(seconds: int) -> str:
    """The canonical Go spelling of a duration: 90 -> `1m30s`, 3600 -> `1h0m0s`. `60s` would differ at every preview.

    Raises ValueError for zero and less: the provider takes `0s` for "the daemon's default".
    """
    if seconds <= 0:
        raise ValueError(f"a duration of {seconds} s means the daemon's default to the provider; give at least 1 s")
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def cpu_limit(cpus: float) -> dict[str, str | int]:
    """The arguments that limit a container to `cpus` cores.

    The provider renders the limit it reads back with at least one decimal and drops trailing zeros of whole
    tens (`10` comes back as `10.`), so whole tens are written as quota and period, which are plain integers.
    """
    exact = Decimal(str(cpus)).quantize(Decimal("0.01")).normalize()
    if exact == exact.to_integral_value():
        whole = int(exact)
        if whole % 10 == 0:
            return {"cpu_period": 100_000, "cpu_quota": whole * 100_000}
        return {"cpus": f"{whole}.0"}
    return {"cpus": f"{exact:f}"}
