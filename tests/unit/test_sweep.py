"""The sweeper: who goes and why, whose lock is dead, what a person is told, and how it treats a backend's answers."""

from __future__ import annotations

import json
import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest
from rich.console import Console

from ops.errors import UserError
from ops.pulumi_cli import Result
from ops.review.rules import Rules
from ops.sweep import causes, command, docker_left, stack
from ops.sweep.backend import Backend, opened
from ops.sweep.contents import Contents, Item, contents
from ops.sweep.locks import living, locks
from ops.sweep.remove import Remover
from ops.sweep.report import Report
from ops.sweep.stack import Found, found, open_pull_requests
from ops.sweep.verdict import judge

pytestmark = pytest.mark.unit
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LOCKED = (
    "error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or delete the lock"
    " file with `pulumi cancel`.\n  file:///s/.pulumi/locks/organization/slm/pr-1/abc.json?no_tmp_dir=true: created by"
    " root@elsewhere (pid 4711) at 2026-11-27T11:00:00Z\n"
)
NETWORK = {
    "urn": "urn:pulumi:pr-1::slm::docker:index/network:Network::net",
    "custom": True,
    "type": "docker:index/network:Network",
    "id": "1",
    "inputs": {"name": "slm-pr-1-net"},
}
MAP = {
    "urn": "urn:pulumi:pr-1::slm::kubernetes:core/v1:ConfigMap::map",
    "custom": True,
    "type": "kubernetes:core/v1:ConfigMap",
    "inputs": {"metadata": {"name": "map", "namespace": "slm-pr-1"}},
}


def verdict(name: str, opened: set[int] | None = None, protected: tuple[str, ...] = (), **told: Any) -> tuple[str, str]:
    found = judge(Found(name=name, **told), opened, NOW, Rules(), protected)
    return found.kind, found.why


@pytest.mark.parametrize("name", ["dev", "prod", "edge", "edge.berlin-1", "engines", "prod.one"])
def test_protected_names_stay_whatever_is_told_of_them(name: str) -> None:
    assert verdict(name, set(), expires=NOW - HOUR)[0] == "protected"


def test_names_that_somebody_protects_by_hand_stay() -> None:
    assert verdict("pr-7", set(), ("pr-7",), expires=NOW - HOUR)[0] == "protected"


@pytest.mark.parametrize("name", ["staging", "pr-x", "pr-1.berlin", "my-pr-1"])
def test_what_is_no_review_stack_is_not_looked_at(name: str) -> None:
    assert verdict(name, set(), expires=NOW - HOUR)[0] == "other"


@pytest.mark.parametrize(
    ("opened", "told", "kind", "words"),
    [
        ({2}, {"expires": NOW + HOUR}, "due", "pull request 1 is closed"),
        (set(), {}, "due", "closed"),
        ({1}, {"expires": NOW + 3 * HOUR}, "kept", "another 3 h"),
        ({1}, {"expires": NOW}, "due", "0 min ago"),
        ({1}, {"expires": NOW - 50 * HOUR}, "due", "50 h ago"),
        (None, {"expires": NOW + HOUR}, "kept", "60 min"),
        (None, {"expires": NOW - HOUR}, "due", "ago"),
        (None, {}, "kept", "nor its beginning"),
        (None, {"last_update": NOW - HOUR}, "kept", "nobody wrote down its end"),
        (None, {"last_update": NOW - timedelta(days=8)}, "due", "8 days old"),
        (None, {"created": NOW - timedelta(days=8), "last_update": NOW}, "due", "8 days old"),
    ],
)
def test_a_review_stack_goes_when_closed_or_over(
    opened: set[int] | None, told: dict[str, Any], kind: str, words: str
) -> None:
    found = verdict("pr-1", opened, **told)
    assert found[0] == kind
    assert words in found[1]


def test_a_list_of_open_pull_requests_is_given_or_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "open.json"
    file.write_text('[{"number": 12}, {"number": 15}]')
    assert open_pull_requests("12, 15") == open_pull_requests(str(file)) == {12, 15}
    file.write_text("[12, 15]")
    assert open_pull_requests(str(file)) == {12, 15}
    file.write_text("[]")
    assert open_pull_requests(str(file)) == open_pull_requests("none") == set()
    assert open_pull_requests("") is None


@pytest.mark.parametrize("content", ["", "{}", "null", '{"message": "rate limit"}', '["12"]', "[true]", '[{"id": 1}]'])
def test_what_is_no_list_is_never_taken_for_an_empty_one(content: str, tmp_path: Path) -> None:
    (tmp_path / "open.json").write_text(content)
    with pytest.raises(UserError, match="no list of open pull requests"):
        open_pull_requests(str(tmp_path / "open.json"))
    with pytest.raises(UserError):
        open_pull_requests(str(tmp_path / "absent.json"))


def test_locks_are_read_out_of_pulumis_refusal() -> None:
    (held,) = locks(LOCKED)
    assert (held.user, held.host, held.pid, held.at) == ("root", "elsewhere", 4711, NOW - HOUR)
    assert locks("error: something else") == []


@pytest.mark.parametrize(
    ("here", "runs", "hours", "lives"),
    [
        ("elsewhere", True, 0.5, True),
        ("elsewhere", False, 99, False),
        ("another", False, 2, True),
        ("another", True, 0.5, False),
    ],
)
def test_a_lock_lives_while_its_process_does_or_while_a_job_elsewhere_may(
    here: str, runs: bool, hours: float, lives: bool
) -> None:
    assert bool(living(locks(LOCKED), here, lambda _: runs, NOW, hours)) == lives


def test_a_state_is_read_without_a_key_and_whatever_a_hand_made_of_it() -> None:
    provider = {"type": "pulumi:providers:docker", "custom": True, "inputs": {"host": "ssh://a@b"}, "urn": "x"}
    secret = {**NETWORK, "inputs": {"name": {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}}}
    held = contents(
        {
            "resources": [
                {"type": "pulumi:pulumi:Stack"},
                provider,
                {**NETWORK, "protect": True},
                MAP,
                secret,
                "rubbish",
            ],
            "pending_operations": [{"resource": NETWORK, "type": "creating"}, {}],
        }
    )
    assert [item.words for item in held.items] == [
        "network slm-pr-1-net",
        "kubernetes:core/v1:ConfigMap map in namespace slm-pr-1",
        "network net",
    ]
    assert [item.protected for item in held.items] == [True, False, False]
    assert held.remote
    assert held.has_docker
    assert not held.docker_only
    assert held.resources == 5
    assert contents({}) == Contents()


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("error: incorrect passphrase, please set", "passphrase or the key is lost"),
        ("error: no resource plugin 'pulumi-resource-docker-v99.0.0' found", "pulumi-resource-docker-v99.0.0"),
        ("error: unsupported checkpoint version 99", "newer Pulumi"),
        ("error: configured Kubernetes cluster is unreachable: dial tcp", "its cluster does not answer"),
        ("Cannot connect to the Docker daemon at unix://", "its Docker host does not answer"),
        ("it was stopped after 1200 s", "did not end in time"),
        ("error: a snapshot integrity error. This is a bug!\nat main.go:1", "its state is damaged"),
        ("error: something\nat main.go:67", "Pulumi said: error: something"),
        ("nobody\nhas seen this", "Pulumi said: nobody / has seen this"),
    ],
)
def test_what_a_person_must_do_names_the_cause_and_what_is_still_there(output: str, words: str) -> None:
    told = causes.explain("pr-1", output, contents({"resources": [MAP]}))
    assert words in told[0]
    assert "still there: kubernetes:core/v1:ConfigMap map in namespace slm-pr-1" in told


def test_of_many_things_left_the_list_stays_short() -> None:
    items = tuple(Item(f"u{n}", "kubernetes:x", f"n{n}") for n in range(30))
    assert causes.still_there(items)[-1] == "still there: 18 more"


class Fake:
    """A backend that answers from a script: the first prefix that fits a command."""

    def __init__(self, project: Path, **answers: Result) -> None:
        self.project, self.url, self.local = project, "azblob://state?storage_account=x", None
        self.answers = {key.replace("_", " "): value for key, value in answers.items()}
        self.asked: list[str] = []

    def run(self, *arguments: str, **_: Any) -> Result:
        asked = " ".join(arguments)
        self.asked.append(asked)
        return next((a for key, a in self.answers.items() if asked.startswith(key)), Result(0, "{}"))


def state(*rows: dict[str, Any]) -> Result:
    return Result(0, json.dumps({"deployment": {"resources": rows}}))


def removed(fake: Fake, **told: Any) -> Any:
    return Remover(fake, Rules()).remove(Found(name="pr-1", **told))  # type: ignore[arg-type]


def test_stacks_are_told_by_tags_and_else_by_the_last_deployment(tmp_path: Path) -> None:
    rows = [{"name": n} for n in ("prod", "pr-2", "organization/slm/pr-1", "organization/other/pr-3")]
    tags = {"slm:owner": "anna", "slm:expires": "2026-11-27T10:00:00+00:00", "other": "x"}
    fake = Fake(tmp_path, stack_ls=Result(0, json.dumps(rows)), stack_tag=Result(0, json.dumps(tags)))
    assert [(s.name, s.owner) for s in found(fake)] == [("prod", None), ("pr-1", "anna"), ("pr-2", "anna")]  # type: ignore[arg-type]
    update = {"config": {"slm:review": {"value": json.dumps({"owner": "ben", "expires": "rubbish", "host": 3})}}}
    fake = Fake(
        tmp_path,
        stack_ls=Result(0, json.dumps(rows[1:2])),
        stack_tag=Result(255, "no tags here"),
        stack_history=Result(0, json.dumps([update])),
    )
    (own,) = found(fake)  # type: ignore[arg-type]
    assert (own.owner, own.expires, own.host) == ("ben", None, None)


def test_a_backend_that_does_not_answer_removes_nothing(tmp_path: Path) -> None:
    fake = Fake(tmp_path, stack_ls=Result(255, "error: could not list: 403 Forbidden"))
    with pytest.raises(UserError, match="403 Forbidden") as refused:
        found(fake)  # type: ignore[arg-type]
    assert "storage_account" not in str(refused.value), "what stands behind the address may be a credential"


def test_only_review_stacks_are_ever_removed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="prod is no review stack"):
        Remover(Fake(tmp_path), Rules()).remove(Found(name="prod"))  # type: ignore[arg-type]


def test_the_program_is_never_run_and_what_was_here_goes_with_the_stack(tmp_path: Path) -> None:
    (tmp_path / ".slm/pr-1").mkdir(parents=True)
    (tmp_path / "Pulumi.pr-1.yaml").write_text("config: {}")
    fake = Fake(tmp_path)
    assert removed(fake).removed
    assert any(asked.startswith("destroy") and "--run-program=false" in asked for asked in fake.asked)
    assert fake.asked[-1].startswith("stack rm pr-1")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".slm"]
    assert not (tmp_path / ".slm/pr-1").exists()
    assert '"outcome": "done"' in (tmp_path / ".slm/audit.jsonl").read_text()


def test_what_a_killed_run_may_have_made_is_looked_for_by_a_person(tmp_path: Path) -> None:
    pending = {"deployment": {"pending_operations": [{"resource": MAP, "type": "creating"}]}}
    outcome = removed(Fake(tmp_path, stack_export=Result(0, json.dumps(pending))))
    assert outcome.removed
    (told,) = outcome.todo
    assert "a killed run may have made kubernetes:core/v1:ConfigMap map in namespace slm-pr-1" in told


def test_a_living_lock_stops_it_before_anything_is_removed(tmp_path: Path) -> None:
    young = LOCKED.replace("2026-11-27T11:00:00Z", datetime.now(UTC).isoformat())
    fake = Fake(tmp_path, stack_export=state(MAP), destroy=Result(255, young))
    (told,) = removed(fake).todo
    assert "process 4711 of root on elsewhere" in told
    assert not any(asked.startswith(("cancel", "stack rm")) for asked in fake.asked)


def test_a_dead_lock_is_taken_away_once_and_no_more(tmp_path: Path) -> None:
    mine = LOCKED.replace("elsewhere", socket.gethostname()).replace("4711", str(os.getpid()))
    fake = Fake(tmp_path, stack_export=state(MAP), destroy=Result(255, mine))
    outcome = removed(fake)
    assert fake.asked.count("cancel pr-1 --yes") == 2
    assert outcome.todo, "it is still locked, and there is still something: never said to be removed"
    assert not any(asked.startswith("stack rm") for asked in fake.asked)


def test_another_command_at_work_here_is_waited_for_by_a_person(tmp_path: Path) -> None:
    from filelock import FileLock

    (tmp_path / ".slm/pr-1").mkdir(parents=True)
    fake = Fake(tmp_path)
    with FileLock(tmp_path / ".slm/pr-1/lock"):
        (told,) = removed(fake).todo
    assert "another command changes it" in told
    assert fake.asked == []
    assert (tmp_path / ".slm/pr-1").exists()


def test_an_engine_of_another_machine_is_never_asked(tmp_path: Path) -> None:
    fake = Fake(tmp_path, stack_export=state(NETWORK))
    (told,) = removed(fake, host="runner-7").todo
    assert "runner-7" in told
    assert fake.asked == ["stack export"]


def test_what_the_engine_refuses_is_told(tmp_path: Path) -> None:
    def engine(*_: Any) -> Any:
        def boom(**_: Any) -> Any:
            raise docker.errors.APIError("network has active endpoints")

        return SimpleNamespace(containers=SimpleNamespace(list=boom))

    fake = Fake(tmp_path, stack_export=state(NETWORK), destroy=Result(255, "error: boom"))
    remover = Remover(fake, Rules(), engine=engine)  # type: ignore[arg-type]
    assert "active endpoints" in remover.remove(Found(name="pr-1")).todo[0]


def test_a_host_that_no_description_here_has_is_not_guessed(tmp_path: Path) -> None:
    backend = Backend(tmp_path, tmp_path, "file:///x")
    with pytest.raises(UserError, match="no description here has the host ssh://a@b"):
        docker_left.client_of(backend, Found(name="pr-1", base="dev"), Contents(hosts=("ssh://a@b",)))


def listed(monkeypatch: pytest.MonkeyPatch, fake: Fake, *stacks: Found) -> None:
    class Opened:
        def __init__(self, _: Path) -> None: ...
        def __enter__(self) -> Fake:
            return fake

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(command, "opened", Opened)
    monkeypatch.setattr(command, "found", lambda _: list(stacks))


def test_a_dry_run_changes_nothing_and_applying_removes_only_what_is_due(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = Fake(tmp_path)
    stacks = [Found(name="prod"), Found(name="pr-1"), Found(name="pr-2", expires=datetime.now(UTC) + HOUR)]
    listed(monkeypatch, fake, *stacks)
    with (tmp_path / "said").open("w") as out:
        console = Console(file=out, width=200)
        assert command.run(tmp_path, console, still_open="2") == 0
        assert fake.asked == []
        assert command.run(tmp_path, console, still_open="2", apply=True) == 0
    assert {asked for asked in fake.asked if asked.startswith("stack rm")} == {
        "stack rm pr-1 --yes --force --remove-backups"
    }
    data = json.loads((tmp_path / ".slm/sweep/sweep.json").read_text())
    assert {row["name"]: (row["verdict"], row.get("removed")) for row in data["stacks"]} == {
        "prod": ("protected", None),
        "pr-1": ("due", True),
        "pr-2": ("kept", None),
    }
    assert not data["dry_run"]
    said = (tmp_path / "said").read_text()
    assert "dry run: 1 would go" in said
    assert "1 removed, 0 need somebody" in said


def test_what_a_person_must_do_is_exit_code_1_and_in_every_form_of_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = Fake(tmp_path, stack_export=state(MAP), destroy=Result(255, "error: incorrect passphrase"))
    listed(monkeypatch, fake, Found(name="pr-1"))
    with (tmp_path / "said").open("w") as out:
        assert command.run(tmp_path, Console(file=out, width=200), still_open="none", apply=True) == 1
    for text in ((tmp_path / "said").read_text(), (tmp_path / ".slm/sweep/sweep.md").read_text()):
        assert "passphrase" in text
        assert "ConfigMap map in namespace slm-pr-1" in text
    assert "storage_account" not in (tmp_path / ".slm/sweep/sweep.json").read_text()


@pytest.mark.parametrize(("forget", "words"), [("prod", "no review stack"), ("pr-9", "no such review stack is over")])
def test_only_a_stack_that_is_over_can_be_forgotten(
    forget: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed(monkeypatch, Fake(tmp_path), Found(name="pr-1"))
    with pytest.raises(UserError, match=words):
        command.run(tmp_path, Console(quiet=True), still_open="none", apply=True, forget=forget)


def test_a_committed_description_protects_its_stack(tmp_path: Path) -> None:
    for name in ("staging", "pr-3"):
        (tmp_path / f"Pulumi.{name}.yaml").touch()
    assert command.described(tmp_path) == {"staging"}


@pytest.mark.parametrize("name", ["prod", "dev"])
def test_review_down_is_for_review_stacks_only(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no review stack"):
        command.remove(name, tmp_path, Console(quiet=True))


def test_the_report_counts_nothing_as_removed_in_a_dry_run() -> None:
    report = Report("azblob://s?storage_account=x", NOW, [judge(Found(name="pr-1"), set(), NOW, Rules())], None)
    assert report.exit_code == 0
    assert "would go" in report.markdown()
    assert report.data()["dry_run"]
    assert stack.moment("2026-11-27T12:00:00") == NOW


def test_a_checkout_without_any_stack_has_a_place_that_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    with opened(tmp_path) as own:
        assert own.local == tmp_path / ".slm/state"
    assert list((tmp_path / ".slm/state").iterdir()) == []
