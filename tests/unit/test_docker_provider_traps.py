"""The spellings that keep a Docker preview free of changes that are none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.targets.docker.provider_traps import CAPABILITIES_TO_DROP, cpu_limit, go_duration

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("seconds", "spelled"),
    [(1, "1s"), (59, "59s"), (60, "1m0s"), (90, "1m30s"), (900, "15m0s"), (3600, "1h0m0s"), (3725, "1h2m5s")],
)
def test_a_duration_is_spelled_as_go_would_print_it(seconds: int, spelled: str) -> None:
    assert go_duration(seconds) == spelled


@pytest.mark.parametrize("seconds", [0, -1])
def test_a_duration_that_means_the_default_is_refused(seconds: int) -> None:
    with pytest.raises(ValueError, match="at least 1 s"):
        go_duration(seconds)


@given(st.integers(min_value=1, max_value=10**6))
def test_a_duration_keeps_its_length(seconds: int) -> None:
    units = {"h": 3600, "m": 60, "s": 1}
    total, number = 0, ""
    for letter in go_duration(seconds):
        if letter.isdigit():
            number += letter
        else:
            total, number = total + int(number) * units[letter], ""
    assert total == seconds


@pytest.mark.parametrize(
    ("cpus", "arguments"),
    [
        (2, {"cpus": "2.0"}),
        (1.5, {"cpus": "1.5"}),
        (0.25, {"cpus": "0.25"}),
        (10, {"cpu_period": 100_000, "cpu_quota": 1_000_000}),
        (20.0, {"cpu_period": 100_000, "cpu_quota": 2_000_000}),
        (12, {"cpus": "12.0"}),
    ],
)
def test_cpus_are_spelled_as_the_provider_reads_them_back(cpus: float, arguments: dict[str, object]) -> None:
    assert cpu_limit(cpus) == arguments


def test_capabilities_are_spelled_as_the_daemon_stores_them() -> None:
    assert CAPABILITIES_TO_DROP == ["ALL"]
