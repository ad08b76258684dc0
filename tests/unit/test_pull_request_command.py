"""`make report-pr` on a checkout: what git has of the base, what is written where, and with which exit code it ends."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from components.catalog import catalog
from components.catalog.place import DIRECTORY, catalogue_in
from ops.errors import UserError
from ops.pull_request import previews
from ops.pull_request.checkout import base_of, program_changes
from ops.pull_request.command import Wanted, make, run
from ops.pulumi_cli import Result

pytestmark = pytest.mark.unit

BASES = Path(__file__).parent / "pull_requests" / "bases"
TODAY = date(2026, 11, 27)


def git(project: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    return subprocess.run(
        ["git", "-C", str(project), *identity, *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A checkout with a catalogue, three stacks and one commit, the tag `base`."""
    project = tmp_path / "checkout"
    shutil.copytree(DIRECTORY, project / "components/catalog", ignore=shutil.ignore_patterns("__pycache__"))
    for base in BASES.glob("*.yaml"):
        shutil.copy(base, project / f"Pulumi.{base.name}")
    git(tmp_path, "init", "-q", "-b", "main", str(project))
    git(project, "add", ".")
    git(project, "commit", "-q", "-m", "base")
    git(project, "tag", "base")
    return project


def replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def wanted(stack: str = "dev", base: str = "base", static: bool = True, **more: object) -> Wanted:
    return Wanted(stack, base, static=static, **more)  # type: ignore[arg-type]


def test_what_the_checkout_has_and_nobody_committed_is_the_head(project: Path, tmp_path: Path) -> None:
    replaced(project / "Pulumi.dev.yaml", "qwen2.5-coder-0.5b-instruct", "phi4-mini")
    file = tmp_path / "out" / "report.md"
    assert run(wanted(file=file), project, TODAY) == 0
    said = file.read_text()
    assert "model: `qwen2.5-coder-0.5b-instruct` → `phi4-mini`" in said
    assert (tmp_path / "out" / "report.full.md").read_text() == said
    assert str(tmp_path) not in said
    assert make(wanted(), project, TODAY).full == said


def test_without_a_file_it_is_printed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(wanted(), project, TODAY) == 0
    assert "**Nothing changes**." in capsys.readouterr().out


def test_another_catalogue_of_the_base_is_read_and_ours_is_ours_again(project: Path) -> None:
    file = project / "components/catalog/images.toml"
    ours = catalog().images["haproxy"]
    replaced(file, str(ours.digest), "d" * 64)
    said = make(wanted(), project, TODAY).full
    assert f"`haproxy:{ours.tag} {str(ours.digest)[:12]}…` → `haproxy:{ours.tag} dddddddddddd…`" in said
    assert catalog().images["haproxy"] == ours
    with catalogue_in(project / "components/catalog"):
        assert catalog().images["haproxy"].digest == "d" * 64
    assert catalog().images["haproxy"] == ours


def test_changes_of_the_base_after_the_two_parted_are_not_ours(project: Path) -> None:
    git(project, "checkout", "-q", "-b", "mine")
    git(project, "checkout", "-q", "main")
    replaced(project / "Pulumi.dev.yaml", "memory_gib: 16", "memory_gib: 8")
    git(project, "commit", "-q", "-a", "-m", "theirs")
    git(project, "checkout", "-q", "mine")
    assert base_of(project, "main").commit == git(project, "rev-parse", "base")
    assert "**Nothing changes**." in make(wanted(base="main"), project, TODAY).full


def test_a_history_that_is_cut_off_is_said(project: Path) -> None:
    git(project, "checkout", "-q", "--orphan", "alone")
    git(project, "commit", "-q", "-m", "alone")
    replaced(project / "Pulumi.dev.yaml", "memory_gib: 16", "memory_gib: 8")
    said = make(wanted(base="main"), project, TODAY).full
    assert "git's history is cut off" in said


@pytest.mark.parametrize(
    "ref", ["no-such-branch", "--output=/tmp/x", "-h", "base^{tree}", "", "a b; rm -rf", "base:Pulumi.dev.yaml"]
)
def test_a_base_that_is_no_commit_is_refused_in_words(project: Path, ref: str) -> None:
    with pytest.raises(UserError, match="git knows no commit"):
        run(wanted(base=ref), project, TODAY)


def test_a_folder_that_is_no_checkout_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="git knows no commit"):
        run(wanted(), tmp_path, TODAY)


@pytest.mark.parametrize("stack", ["../x", "a b", "", "x;y", "ü"])
def test_what_is_no_name_of_a_stack_is_refused_in_words(project: Path, stack: str) -> None:
    with pytest.raises(UserError, match="no stack's name"):
        run(wanted(stack), project, TODAY)


def test_a_host_of_a_fleet_stands_for_its_fleet(project: Path) -> None:
    replaced(project / "Pulumi.edge.yaml", "memory_gib: 4", "memory_gib: 8")
    assert make(wanted("edge.oslo-1"), project, TODAY).full == make(wanted("edge"), project, TODAY).full
    assert "**1 host: `oslo-1`**" in make(wanted("edge"), project, TODAY).full


def test_a_stack_that_neither_side_has_is_said(project: Path) -> None:
    assert "Neither side describes this stack." in make(wanted("nowhere"), project, TODAY).full


def test_an_invalid_description_is_reported_and_ends_with_one(project: Path, tmp_path: Path) -> None:
    replaced(project / "Pulumi.dev.yaml", "kind: ollama", "kind: olama")
    assert run(wanted(file=tmp_path / "r.md"), project, TODAY) == 1
    said = (tmp_path / "r.md").read_text()
    assert "**`Pulumi.dev.yaml` cannot be used**" in said
    assert "| `slm:engines.chat` | engine kind 'olama' is unknown; did you mean 'ollama'? |" in said


@pytest.mark.parametrize(("asked", "code"), [(False, 0), (True, 1)])
def test_a_risk_ends_with_one_where_that_is_asked_for(project: Path, tmp_path: Path, asked: bool, code: int) -> None:
    replaced(project / "Pulumi.prod.yaml", "slm-prod-example", "slm-prod-other")
    assert run(wanted("prod", fail_on_risk=asked, file=tmp_path / "r.md"), project, TODAY) == code


def test_a_description_that_is_a_link_is_not_read(project: Path, tmp_path: Path) -> None:
    (tmp_path / "private").write_text("config: {slm:x: CANARY}")
    (project / "Pulumi.dev.yaml").unlink()
    (project / "Pulumi.dev.yaml").symlink_to(tmp_path / "private")
    with pytest.raises(UserError, match="is a link"):
        make(wanted(), project, TODAY)


def test_other_files_of_the_program_are_named(project: Path) -> None:
    (project / "components/plan.py").write_text("# new")
    (project / "docs").mkdir()
    (project / "docs/x.md").write_text("not of the program")
    assert program_changes(project, base_of(project, "base")) == ("components/plan.py",)
    said = make(wanted(), project, TODAY).full
    assert "1 files differ: `components/plan.py` (1)" in said
    assert "only a preview shows what that does to resources" in said


URN = "urn:pulumi:dev::slm::docker:index/volume:Volume::data"
SAID = {
    "steps": [{"op": "delete", "urn": URN}],
    "diagnostics": [{"severity": "warning", "message": "see @PROJECT/x.py"}],
}


def test_a_preview_that_was_made_before_is_read(project: Path, tmp_path: Path) -> None:
    file = tmp_path / "p.json"
    file.write_text(json.dumps(SAID).replace("@PROJECT", str(project)))
    report = make(wanted(static=False, preview=file), project, TODAY)
    assert "`data`, a volume of a Docker engine: is **deleted**" in report.full
    assert report.risky
    assert str(project) not in report.full
    file.write_text("no preview")
    assert "p.json is no preview" in make(wanted(static=False, preview=file), project, TODAY).full
    with pytest.raises(UserError, match="is no file"):
        make(wanted(static=False, preview=tmp_path / "gone.json"), project, TODAY)
    with pytest.raises(UserError, match="no folder with a file for each host"):
        make(wanted("edge", static=False, preview=file), project, TODAY)


@pytest.fixture
def pulumi(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, str], list[str]]:
    """Pulumi's answer to everything, in place of Pulumi; what it was asked for."""

    def answers(code: int, output: str) -> list[str]:
        asked: list[str] = []

        class Answering:
            def __init__(self, machine: object) -> None:
                self.machine = machine

            def ensure_stack(self) -> None:
                asked.append("ensure")

            def run(self, *arguments: str) -> Result:
                asked.append(" ".join(arguments))
                return Result(code, output)

        monkeypatch.setattr(previews, "Pulumi", Answering)
        return asked

    return answers


def test_pulumi_is_asked_unless_told_otherwise(project: Path, pulumi: Callable[[int, str], list[str]]) -> None:
    asked = pulumi(0, json.dumps(SAID))
    assert make(wanted(static=True), project, TODAY).risky is False
    assert asked == []
    assert make(wanted(static=False), project, TODAY).risky
    assert asked == ["ensure", "preview -s dev --json --suppress-progress"]


def test_a_preview_that_fails_is_an_unknown_and_no_failure(
    project: Path, pulumi: Callable[[int, str], list[str]], tmp_path: Path
) -> None:
    pulumi(255, f"error: no way at {project}/x.py")
    file = tmp_path / "r.md"
    assert run(wanted(static=False, file=file), project, TODAY) == 0
    assert "no preview could be made" in file.read_text()
    assert str(project) not in file.read_text()


def test_what_must_not_be_deployed_is_not_previewed(project: Path, pulumi: Callable[[int, str], list[str]]) -> None:
    asked = pulumi(0, json.dumps(SAID))
    replaced(project / "Pulumi.dev.yaml", "qwen2.5-coder-0.5b-instruct", "mistral-small-24b-instruct-2501")
    said = make(wanted(static=False), project, TODAY).full
    assert asked == []
    assert "**It must not be deployed like this**" in said
    assert "no preview could be made" in said


def test_each_host_of_a_fleet_is_asked(project: Path, pulumi: Callable[[int, str], list[str]]) -> None:
    asked = pulumi(0, json.dumps(SAID))
    said = make(wanted("edge", static=False), project, TODAY).full
    assert sorted(line for line in asked if line != "ensure") == [
        f"preview -s edge.{host} --json --suppress-progress" for host in ("berlin-1", "berlin-2", "oslo-1")
    ]
    assert "(`berlin-1`, `berlin-2`, `oslo-1`)" in said


def test_the_static_report_imports_no_pulumi(project: Path) -> None:
    """It is what forks get, and it must be quick."""
    program = (
        "import sys; from pathlib import Path; from ops.pull_request.command import Wanted, run;"
        f"run(Wanted('dev', 'base', static=True), Path({str(project)!r})); sys.exit('pulumi' in sys.modules)"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "Nothing changes" in done.stdout


def test_the_name_of_a_branch_reaches_no_shell() -> None:
    """Names of branches may hold quotes and semicolons, and others choose them."""
    root = Path(__file__).resolve().parents[2]
    command = ["make", "-n", "report-pr", "STATIC=1", 'BASE=x"; INJECTED; "']
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0
    assert "report-pr --stack" in done.stdout
    assert "INJECTED" not in done.stdout


def test_the_base_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from ops.__main__ import app
    from ops.pull_request import command

    asked: list[Wanted] = []
    monkeypatch.setattr(command, "run", lambda wanted: asked.append(wanted) or 0)
    for base in ("upstream/main", ""):
        monkeypatch.setenv("BASE", base)
        assert CliRunner().invoke(app, ["report-pr", "--static"]).exit_code == 0
    assert [one.base for one in asked] == ["upstream/main", "origin/main"]
