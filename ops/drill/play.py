"""Plays a drill and judges what came of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping

from components.monitoring.rules import alerts
from ops.drill import faster
from ops.drill.drill import Drill, Result
from ops.drill.scene import Scene
from ops.drill.traffic import CANARY, NO_ANSWER, Answer, Traffic, counted
from ops.errors import UserError
from ops.inside import Unreachable

LINES_SECONDS = 90
"""How long a line may take to the log store."""

BEFORE_SECONDS = 120
"""How long an alert of an earlier drill may take to end."""

WAITS = {alert.name: faster.seconds(alert.wait) if alert.wait else 0 for alert in alerts()}


def play(drill: Drill, scene: Scene) -> Result:
    """Cause the fault, wait for its alert, end it, wait until all is well; what was not as it should be is in it."""
    blank = Result(name=drill.name, fault=drill.fault, alert=" or ".join(drill.alerts), note=drill.stands_for)
    if why := drill.left_out(scene):
        return blank.model_copy(update={"note": why})
    if until(lambda: not scene.firing() & set(drill.alerts), BEFORE_SECONDS) is None:
        return blank.model_copy(update={"held": False, "problems": ("its alert was firing before the fault",)})
    before, restarts, secrets = scene.everything(), scene.restarts(), {scene.key()}
    traffic = Traffic(scene.url, scene.model, scene.key).start()
    if until(lambda: any(a.status == 200 for a in traffic.answers()), 60) is None:
        return blank.model_copy(
            update={
                "held": False,
                "problems": ("nothing was answered before the fault",),
                "seen": counted(traffic.stop()),
            }
        )
    begun = time.time()
    found: dict[str, object] = {}
    problems: list[str] = []
    try:
        _cause(drill, scene, traffic, found, problems)
    finally:
        answers = [answer for answer in traffic.stop() if answer.begun >= begun - 1]
    secrets.add(scene.key())
    problems += judged(drill, answers)
    problems += _left(before, scene)
    problems += fell(restarts, scene.restarts())
    problems += _leaked(scene, begun, secrets)
    problems += _lost(scene, begun, answers)
    slowest = max((answer.seconds for answer in answers), default=0.0)
    return blank.model_copy(
        update={
            **found,
            "held": not problems,
            "seen": counted(answers),
            "slowest_seconds": round(slowest, 1),
            "problems": tuple(problems),
        }
    )


def _cause(drill: Drill, scene: Scene, traffic: Traffic, found: dict[str, object], problems: list[str]) -> None:
    known = scene.begun()
    start = time.monotonic()
    try:
        with drill.act(scene):
            if drill.alerts:
                _alarmed(drill, scene, start, found, problems)
            else:
                time.sleep(drill.hold)
                if new := {name for name in scene.firing() - known if WAITS_FOR_PEOPLE.get(name)}:
                    problems.append(f"{', '.join(sorted(new))} fired")
    except UserError as error:
        problems.append(str(error).splitlines()[0])
    ended = time.time()
    again = until(lambda: any(a.status == 200 and a.begun > ended for a in traffic.answers()), drill.calm)
    if again is None:
        problems.append(f"nothing was answered {drill.calm:.0f} s after the fault's end")
    found["good_again_seconds"] = again
    if drill.alerts:
        calm = until(lambda: not scene.firing() & set(drill.alerts), drill.calm - (again or 0))
        if calm is None:
            problems.append(f"its alert still fires {drill.calm:.0f} s after the fault's end")
        else:
            found["calm_seconds"] = round(time.time() - ended, 1)


def _alarmed(drill: Drill, scene: Scene, start: float, found: dict[str, object], problems: list[str]) -> None:
    fired: set[str] = set()

    def fires() -> bool:
        fired.update(scene.firing() & set(drill.alerts))
        return bool(fired)

    if until(fires, drill.within) is None:
        problems.append(f"no alert within {drill.within:.0f} s")
        return
    name = sorted(fired)[0]
    found["alert"] = name
    found["alert_seconds"] = round(time.monotonic() - start, 1)
    found["alert_waits"] = max(0, WAITS[name] - faster.WAIT_SECONDS)


WAITS_FOR_PEOPLE = {alert.name: alert.severity in ("critical", "warning") for alert in alerts()}
"""Alerts that disturb somebody."""


def judged(drill: Drill, answers: list[Answer]) -> list[str]:
    """What those who asked should not have seen."""
    found = []
    if not answers:
        return ["nobody asked"]
    strange = {answer.status for answer in answers} - drill.may_see
    if strange:
        told = ", ".join("no answer" if status == NO_ANSWER else str(status) for status in sorted(strange))
        found.append(f"somebody got {told}")
    if any(not answer.says_when for answer in answers):
        found.append("an answer that passes did not say when to try again")
    slowest = max(answer.seconds for answer in answers)
    if slowest > drill.longest:
        found.append(f"somebody waited {slowest:.0f} s")
    return found


def _left(before: dict[str, set[str]], scene: Scene) -> list[str]:
    after = scene.everything()
    found = []
    for kind, names in before.items():
        if gone := sorted(names - after[kind]):
            found.append(f"{kind} gone: {', '.join(gone)}")
        if more := sorted(after[kind] - names):
            found.append(f"{kind} left behind: {', '.join(more)}")
    stopped = [name for name, c in scene.containers().items() if c.status == "exited"]
    return [*found, *([f"not running: {', '.join(stopped)}"] if stopped else [])]


def fell(before: Mapping[str, int], after: Mapping[str, int]) -> list[str]:
    """Containers that the fault was not about, and that ended by themselves meanwhile."""
    return [f"{name} fell over as well" for name, count in sorted(after.items()) if count > before.get(name, count)]


def _leaked(scene: Scene, begun: float, secrets: set[str]) -> list[str]:
    found = []
    for name, container in scene.containers().items():
        if container.status == "created":
            continue  # It carries files and never ran.
        text = container.logs(since=int(begun)).decode(errors="replace")
        if any(secret in text for secret in secrets):
            found.append(f"{name} wrote the API key")
        if CANARY in text:
            found.append(f"{name} wrote a prompt")
    return found


def _lost(scene: Scene, begun: float, answers: list[Answer]) -> list[str]:
    """Requests whose line never came to the log store."""
    wanted = {answer.id for answer in answers if answer.id}
    missing = set(wanted)

    def all_there() -> bool:
        try:
            lines = scene.lines('{workload="gateway"}', begun - 60)
        except Unreachable:
            return False
        missing.difference_update(json.loads(line).get("id", "") for line in lines if line.startswith("{"))
        return not missing

    if until(all_there, LINES_SECONDS) is None:
        return [f"{len(missing)} of {len(wanted)} requests have no line in the log store"]
    return []


def until(condition: Callable[[], bool], seconds: float) -> float | None:
    """Wait until it is so and give how long that took; None when it did not happen in time."""
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > seconds:
            return None
        time.sleep(0.5)
    return round(time.monotonic() - start, 1)
