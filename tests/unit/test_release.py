"""A release: one version, a changelog, pins that say when they were read; and what newer parts there are."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, cast

import pytest
from rich.console import Console

from components.catalog import catalog
from ops.errors import UserError
from ops.release import check, outdated, parts
from ops.release.outdated import Found, go_proxy, in_registry, is_newer, look, newest, on_index, on_proxy
from ops.release.parts import Part, locked_from
from ops.release.sbom import bill
from ops.release.tags import place
from tools.table import load

pytestmark = pytest.mark.unit
PROJECT = Path(__file__).resolve().parents[2]
MADE = datetime(2026, 11, 27, tzinfo=UTC)


def released(tmp_path: Path) -> Path:
    """A copy of what a release is made of, as a release of its version."""
    for name in ("pyproject.toml", "uv.lock", "CHANGELOG.md", *(path.name for path in PROJECT.glob("Pulumi.?*.yaml"))):
        shutil.copy(PROJECT / name, tmp_path / name)
    (tmp_path / "policies").mkdir()
    shutil.copy(PROJECT / "policies" / "PulumiPolicy.yaml", tmp_path / "policies")
    version = parts.version(PROJECT)
    text = f"# Changes\n\n## [Unreleased]\n\n## [{version}] - 2026-11-01\n\n- Everything.\n"
    (tmp_path / "CHANGELOG.md").write_text(text)
    commit(tmp_path)
    return tmp_path


def commit(folder: Path) -> None:
    who = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    for words in (["init", "-q"], ["add", "-A"], [*who, "commit", "-q", "--allow-empty", "-m", "x"]):
        subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)


def failed(folder: Path) -> set[str]:
    return {name for name, holds, _ in check.checks(folder) if not holds}


def test_a_checkout_that_is_ready_passes_every_check(tmp_path: Path) -> None:
    assert failed(released(tmp_path)) == set()
    assert len(list(check.checks(tmp_path))) >= 12


def edit(folder: Path, file: str, old: str, new: str) -> None:
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))


VERSION = parts.version(PROJECT)
WRONG: list[tuple[str, str, str, str]] = [
    ("the version is one", "pyproject.toml", f'version = "{VERSION}"', 'version = "next"'),
    ("uv.lock says the same", "uv.lock", f'"slm-stacks"\nversion = "{VERSION}"', '"slm-stacks"\nversion = "9"'),
    ("no other file says one", "policies/PulumiPolicy.yaml", "runtime: slm", "runtime: slm\nversion: 3.0.0"),
    ("CHANGELOG.md tells of it", "CHANGELOG.md", "- Everything.", ""),
    ("its section has a day", "CHANGELOG.md", " - 2026-11-01", " - soon"),
    ("its section has a day", "CHANGELOG.md", " - 2026-11-01", " - 2999-01-01"),
    ("nothing is unreleased", "CHANGELOG.md", "## [Unreleased]\n", "## [Unreleased]\n\n- More.\n"),
    ("stack prod is pinned", "Pulumi.prod.yaml", "slm:environment: prod", "slm:environment: prof"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "file", "old", "new"), WRONG, ids=[f"{row[0]}-{n}" for n, row in enumerate(WRONG)])
def test_what_is_wrong_is_named(tmp_path: Path, name: str, file: str, old: str, new: str) -> None:
    folder = released(tmp_path)
    edit(folder, file, old, new)
    commit(folder)
    assert name in failed(folder)
    # A version that is none is told in every place that names it.
    assert failed(folder) == {name} or file == "pyproject.toml"


def test_a_changed_file_and_a_taken_tag_are_no_release(tmp_path: Path) -> None:
    folder = released(tmp_path)
    subprocess.run(["git", "tag", f"v{VERSION}"], cwd=folder, check=True)
    assert failed(folder) == set()
    edit(folder, "CHANGELOG.md", "- Everything.", "- All.")
    assert failed(folder) == {"it is a commit"}
    commit(folder)
    assert failed(folder) == {"its tag is free"}


def test_a_missing_file_is_told_with_its_fix(tmp_path: Path) -> None:
    folder = released(tmp_path)
    (folder / "uv.lock").unlink()
    with pytest.raises(UserError, match=r"uv\.lock"):
        list(check.checks(folder))


def test_the_command_writes_what_a_release_holds(tmp_path: Path) -> None:
    folder = released(tmp_path)
    console = Console(file=io.StringIO(), width=160)
    assert check.run(console, folder) == 0
    held = json.loads((folder / ".slm" / "release" / f"slm-stacks-{VERSION}-images.json").read_text())
    assert {row["role"] for row in held} >= {"ollama", "haproxy"}
    assert all("@sha256:" in row["image"] and row["source"] for row in held)
    edit(folder, "CHANGELOG.md", "- Everything.", "")
    assert check.run(console, folder) == 1
    assert "missing or empty" in cast(io.StringIO, console.file).getvalue()


def test_the_bill_of_materials_names_packages_tools_images_and_models() -> None:
    text = bill(PROJECT, VERSION, MADE)
    assert text == bill(PROJECT, VERSION, MADE)
    found = {one["bom-ref"]: one for one in json.loads(text)["components"]}
    assert found["package/pulumi"]["purl"].startswith("pkg:pypi/pulumi@")
    assert found["package/pulumi"]["hashes"]
    assert found["tool/pulumi"]["version"] == load()["pulumi"].version
    assert found["image/haproxy"]["hashes"][0]["content"] == catalog().images["haproxy"].digest
    assert {ref.partition("/")[2] for ref in found if ref.startswith("model/")} == set(catalog().models)
    assert "package/slm-stacks" not in found


def test_every_pinned_part_has_a_place_to_ask_or_says_why_not() -> None:
    found = [*parts.packages(PROJECT), *parts.tools(load()), *parts.images(catalog())]
    assert {one.kind for one in found} == {"package", "tool", "image"}
    assert [one.name for one in found if not one.place and not one.why] == []
    by_name = {(one.kind, one.name): one for one in found}
    assert by_name["tool", "kwok"].origin == "sigs.k8s.io/kwok"
    assert by_name["tool", "prometheus"].version.startswith("v0.")
    assert by_name["tool", "containerd"].origin == "github.com/containerd/containerd/v2"
    assert by_name["image", "haproxy"].place == by_name["image", "webui"].place == "registry"
    assert {name for kind, name in by_name if kind == "tool"} == set(load())


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        ("v0.9.0", "v0.8.0", True),
        ("v0.10.0", "v0.9.0", True),
        ("1.0", "1.0.0", False),
        ("1.0.0", "1.1.0", False),
        ("v2.0.0+incompatible", "v1.0.0", True),
        ("main", "v1.0.0", True),
    ],
)
def test_versions_are_compared_as_versions(one: str, other: str, wanted: bool) -> None:
    assert is_newer(one, other) is wanted


def test_the_newest_is_a_release() -> None:
    assert newest(["v1.2.0", "v1.10.0", "v2.0.0-rc.1", "nightly", ""]) == "v1.10.0"
    assert newest(["2.0.dev1"]) == ""


@pytest.mark.parametrize(
    ("listed", "wanted"),
    [
        ("https://a.example/,direct", "https://a.example"),
        ("https://b.example|direct", "https://b.example"),
    ],
)
def test_gos_proxy_is_the_machines_own(listed: str, wanted: str) -> None:
    assert go_proxy(listed) == wanted


@pytest.mark.parametrize(("listed", "why"), [("", "no go"), ("off", "no proxy"), ("direct", "no proxy")])
def test_where_go_asks_nobody_nobody_is_asked(listed: str, why: str) -> None:
    with pytest.raises(UserError, match=why):
        go_proxy(listed)


@pytest.mark.parametrize(
    ("repository", "wanted"),
    [
        ("haproxy", ("https://index.docker.io", "library/haproxy")),
        ("ollama/ollama", ("https://index.docker.io", "ollama/ollama")),
        ("ghcr.io/open-webui/open-webui", ("https://ghcr.io", "open-webui/open-webui")),
    ],
)
def test_an_image_is_asked_for_where_it_is_pulled_from(repository: str, wanted: tuple[str, str]) -> None:
    assert place(repository) == wanted


def test_packages_are_asked_for_where_the_lock_has_them_from() -> None:
    assert locked_from(PROJECT).startswith("https://")


ANSWERS: dict[str, Any] = {
    "/simple/httpx/": {
        "versions": ["1.0.0", "1.1.0", "1.2.0", "2.0.0rc1"],
        "files": [
            {"filename": "httpx-1.1.0-py3-none-any.whl"},
            {"filename": "httpx-1.2.0-py3-none-any.whl", "yanked": "broken"},
        ],
    },
    "/go/github.com/!burnt!sushi/toml/@v/list": "v1.4.0\nv1.5.0\nv1.6.0-beta.1\nv2.0.0+incompatible\n",
    "/v2/library/haproxy/tags/list": {"tags": ["3.4.5", "3.5.0-alpine", "latest"]},
    "/v2/library/haproxy/tags/list?last=latest": {"tags": ["3.4.4", "3.5"]},
    "/token?service=here&scope=pull": {"token": "for-anybody"},
    "/v2/library/private/tags/list": {"tags": []},
    "/simple/odd/": {"nothing": 1},
}


class Places(BaseHTTPRequestHandler):
    """An index, a proxy and a registry that know one thing each."""

    def do_GET(self) -> None:
        answer = ANSWERS.get(self.path)
        wants = self.path.startswith("/v2/") and self.headers["Authorization"] != "Bearer for-anybody"
        self.send_response(401 if wants or "private" in self.path else 200 if answer else 404)
        if wants:
            where = f"http://{self.headers['Host']}/token"
            self.send_header("WWW-Authenticate", f'Bearer realm="{where}",service="here",scope="pull"')
        if self.path.endswith("haproxy/tags/list"):
            self.send_header("Link", '</v2/library/haproxy/tags/list?last=latest>; rel="next"')
        self.end_headers()
        if answer:
            self.wfile.write((answer if isinstance(answer, str) else json.dumps(answer)).encode())

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def address() -> Any:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Places)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_places_are_asked_over_http(address: str) -> None:
    assert on_index("httpx", f"{address}/simple") == "1.1.0"
    assert on_proxy("github.com/BurntSushi/toml", f"{address}/go") == "v1.5.0"
    assert in_registry("haproxy", "3.4.3", address) == "3.4.5"
    assert in_registry("haproxy", "3.4", address) == "3.5", "on the second page"
    with pytest.raises(UserError, match="private"):
        in_registry("private", "1.0", address)
    with pytest.raises(UserError, match="404"):
        on_proxy("github.com/nobody/nothing", f"{address}/go")


def part(name: str, version: str = "1.0.0") -> Part:
    return Part(kind="package", name=name, version=version, place="index", origin=name)


def test_who_does_not_answer_is_unknown_with_the_reason(address: str) -> None:
    def ask(one: Part) -> str:
        return on_index(one.origin, f"{address}/simple")

    nobody = Part(kind="tool", name="own", version="1", place="", origin="", why="it is built by a script")
    found = look([part("httpx"), part("httpx", "1.1.0"), part("gone"), part("odd"), nobody], ask)
    assert [one.state for one in found] == ["newer", "current", "unknown", "unknown", "unknown"]
    assert "404" in found[2].reason
    assert "not understood" in found[3].reason
    assert found[4].reason == "it is built by a script"


def test_the_table_shows_what_is_newer_and_what_nobody_knows() -> None:
    def ask(one: Part) -> str:
        if one.kind == "image":
            raise UserError("the registry does not answer")
        return "99.0.0" if one.name == "pulumi" else one.version

    console = Console(file=io.StringIO(), width=160)
    assert outdated.run(console, ask) == 0
    text = cast(io.StringIO, console.file).getvalue()
    assert "99.0.0" in text
    assert "the registry does not answer" in text
    assert "httpx" not in text
    assert outdated.run(console, ask, everything=True) == 0
    assert "httpx" in cast(io.StringIO, console.file).getvalue()
    assert Found(part=part("x"), newest="1.0.0").state == "current"
