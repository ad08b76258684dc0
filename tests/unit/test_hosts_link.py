"""The bad link between test hosts: how late, how slow, how much is lost. Time is given, so nothing waits."""

from __future__ import annotations

import errno
import os
import random
from contextlib import nullcontext

import pytest

from rehearsal.hosts.link import QUEUE, Direction, words, write
from rehearsal.hosts.quality import Quality

pytestmark = pytest.mark.unit

FRAME = bytes(1250)
"""10 000 bits."""


def direction(**quality: float) -> Direction:
    return Direction(Quality(**quality), random.Random(1))


def test_a_frame_leaves_a_late_link_after_its_delay_and_not_before() -> None:
    link = direction(delay=0.4)
    assert link.due is None
    link.take(FRAME, now=10.0)
    assert link.due == pytest.approx(10.4)
    assert link.give(now=10.39) == []
    assert link.give(now=10.41) == [FRAME]
    assert link.due is None


def test_frames_of_a_slow_link_leave_one_after_the_other_at_its_rate() -> None:
    link = direction(bits_per_second=1e6, delay=0.1)
    for _ in range(3):
        link.take(FRAME, now=5.0)
    assert [len(link.give(now)) for now in (5.105, 5.115, 5.125, 5.135)] == [0, 1, 1, 1]


def test_a_slow_link_that_was_idle_saves_nothing_up() -> None:
    link = direction(bits_per_second=1e6)
    link.take(FRAME, now=0.0)
    assert len(link.give(now=100.0)) == 1
    link.take(FRAME, now=100.0)
    assert link.due == pytest.approx(100.01)


def test_a_lossy_link_loses_its_part_and_keeps_the_order() -> None:
    link = direction(loss=0.05)
    frames = [str(number).encode() for number in range(900)]
    for frame in frames:
        link.take(frame, now=0.0)
    arrived = link.give(now=0.0)
    assert 0.02 * len(frames) < len(frames) - len(arrived) < 0.09 * len(frames)
    assert arrived == sorted(arrived, key=int)


def test_what_does_not_fit_into_the_queue_is_lost() -> None:
    link = direction(bits_per_second=1.0)
    for _ in range(QUEUE + 50):
        link.take(FRAME, now=0.0)
    assert len(link.give(now=1e9)) == QUEUE


@pytest.mark.parametrize("impossible", [{"delay": -1.0}, {"loss": 1.0}, {"loss": -0.1}, {"bits_per_second": 0.0}])
def test_an_impossible_link_is_refused(impossible: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="no link is like that"):
        Quality(**impossible)


def test_the_link_program_is_told_all_of_a_quality() -> None:
    assert words(Quality(delay=0.4, loss=0.05, bits_per_second=1e6)) == ["0.4", "0.05", "1000000.0"]
    assert words(Quality()) == ["0.0", "0.0", "0"]


@pytest.mark.parametrize(("code", "ends"), [(errno.EIO, False), (errno.EBADFD, True), (errno.ENODEV, True)])
def test_a_frame_for_a_device_that_is_not_up_yet_is_lost_and_the_line_stays(
    monkeypatch: pytest.MonkeyPatch, code: int, ends: bool
) -> None:
    def refuse(device: int, frame: bytes) -> int:
        raise OSError(code, "x")

    monkeypatch.setattr(os, "write", refuse)
    with pytest.raises(OSError, match="x") if ends else nullcontext():
        write(3, b"frame")
