"""tools.toml: complete, consistent with what it is built from, and a key that changes when the result would."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.unit.tools_publisher import LINUX, a_tool
from tools.builder import at_least
from tools.places import CHECKOUT
from tools.table import BUILD_FOLDERS, GoBuild, Platform, ScriptBuild, Tool, load

pytestmark = pytest.mark.unit

PLATFORMS = [Platform(os=o, arch=a) for o in ("linux", "darwin") for a in ("amd64", "arm64")]


def required(tool: Tool, module: str) -> str:
    text = (BUILD_FOLDERS / tool.build.folder / "go.mod").read_text() if isinstance(tool.build, GoBuild) else ""
    return re.search(rf"^(?:require )?\s*{re.escape(module)} v(\S+)", text, re.MULTILINE).group(1)


def test_a_deployment_needs_pulumi_its_language_host_and_its_docker_plugin() -> None:
    assert [t.name for t in load().values() if t.default] == [
        "pulumi",
        "pulumi-language-python",
        "pulumi-resource-docker",
    ]


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda p: f"{p.os}-{p.arch}")
def test_downloads_have_the_publishers_names_on_every_platform(platform: Platform) -> None:
    pulumi, plugin = load()["pulumi"], load()["pulumi-resource-docker"]
    assert pulumi.official
    assert plugin.official
    theirs = {"amd64": "x64", "arm64": "arm64"}[platform.arch]
    assert pulumi.official.urls(pulumi.official.archives, pulumi.version, platform)[0] == (
        f"https://get.pulumi.com/releases/sdk/pulumi-v3.259.0-{platform.os}-{theirs}.tar.gz"
    )
    assert plugin.official.urls(plugin.official.archives, plugin.version, platform)[0] == (
        f"https://get.pulumi.com/releases/plugins/pulumi-resource-docker-v5.2.0-{platform.os}-{platform.arch}.tar.gz"
    )


def test_checksums_come_from_the_releases_of_the_publisher() -> None:
    sums = [load()[n].official.urls(load()[n].official.checksums, load()[n].version, LINUX)[0] for n in PUBLISHED]
    assert sums == [
        "https://github.com/pulumi/pulumi/releases/download/v3.259.0/pulumi-3.259.0-checksums.txt",
        "https://github.com/pulumi/pulumi-docker/releases/download/v5.2.0/pulumi-docker_5.2.0_checksums.txt",
    ]


PUBLISHED = ["pulumi", "pulumi-resource-docker"]


def test_every_mirror_of_an_archive_has_the_file_under_the_same_name() -> None:
    for name in PUBLISHED:
        archives = load()[name].official.archives
        assert len({url.rsplit("/", 1)[-1] for url in archives}) == 1, f"{name}: the checksum file names one file"


def test_builds_are_of_the_versions_the_table_and_the_python_packages_name() -> None:
    table = load()
    packages = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert f"pulumi=={table['pulumi'].version}" in packages
    assert f"pulumi-docker=={table['pulumi-resource-docker'].version}" in packages
    assert f"pulumi-kubernetes=={table['pulumi-resource-kubernetes'].version}" in packages
    assert required(table["pulumi"], "github.com/pulumi/pulumi/pkg/v3") == table["pulumi"].version
    host = table["pulumi-language-python"]
    assert required(host, "github.com/pulumi/pulumi/sdk/v3") == host.version


def test_the_go_that_is_asked_for_is_new_enough_for_every_module() -> None:
    go = load()["go"]
    assert at_least(go.version, go.minimum)
    for path in BUILD_FOLDERS.glob("*/go.mod"):
        line = re.search(r"^go (\S+)$", path.read_text(), re.MULTILINE)
        assert line, path
        assert at_least(go.minimum, line.group(1)), f"{path} needs Go {line.group(1)}"


def test_the_rehearsal_needs_a_control_plane_and_no_deployment_does() -> None:
    group = [t for t in load().values() if t.group == "rehearsal"]
    names = ["kubernetes", "etcd", "kwok", "pss-evaluator", "kubeconform", "actionlint", "pulumi-resource-kubernetes"]
    assert [t.name for t in group] == names
    assert not any(t.default or t.on_path for t in group)
    assert load()["kubernetes"].programs == ("kube-apiserver", "kube-controller-manager", "kube-scheduler")


def test_the_rehearsals_programs_are_built_of_the_versions_the_table_names() -> None:
    table = load()
    for name, module in (
        ("kubernetes", "k8s.io/kubernetes"),
        ("etcd", "go.etcd.io/etcd/server/v3"),
        ("kwok", "sigs.k8s.io/kwok"),
        ("pss-evaluator", "k8s.io/pod-security-admission"),
        ("kubeconform", "github.com/yannh/kubeconform"),
        ("actionlint", "github.com/rhysd/actionlint"),
        ("kubernetes-node", "k8s.io/kubernetes"),
        ("containerd", "github.com/containerd/containerd/v2"),
        ("cni-plugins", "github.com/containernetworking/plugins"),
        ("node-pods", "github.com/coredns/coredns"),
    ):
        assert required(table[name], module) == table[name].version, name


def test_every_module_that_kubernetes_keeps_in_its_own_repository_is_of_its_version() -> None:
    kubernetes = load()["kubernetes"]
    text = (BUILD_FOLDERS / "kubernetes" / "go.mod").read_text()
    replaced = re.findall(r"^\s(k8s\.io/\S+) => (k8s\.io/\S+) v0\.(\S+)$", text, re.MULTILINE)
    assert len(replaced) > 30
    assert {(old == new, version) for old, new, version in replaced} == {(True, kubernetes.version.split(".", 1)[1])}


def test_a_real_nodes_kubelet_is_of_the_same_modules_as_its_api_server() -> None:
    table = load()
    assert table["kubernetes-node"].version == table["kubernetes"].version
    replaced = [
        re.findall(r"^\s(k8s\.io/\S+ => .+)$", (BUILD_FOLDERS / folder / "go.mod").read_text(), re.MULTILINE)
        for folder in ("kubernetes", "kubernetes-node")
    ]
    assert replaced[0] == replaced[1] != []
    assert [t.name for t in table.values() if t.group == "rehearsal-node" and (t.default or t.on_path)] == []


def test_the_pod_security_checks_are_those_of_the_api_server() -> None:
    minor = load()["kubernetes"].version.split(".", 1)[1]
    assert load()["pss-evaluator"].version == f"0.{minor}"


def test_a_program_that_is_published_alone_has_its_own_url_and_checksum() -> None:
    kubernetes = load()["kubernetes"]
    assert kubernetes.official
    for templates, end in ((kubernetes.official.programs, ""), (kubernetes.official.checksums, ".sha256")):
        assert kubernetes.official.urls(templates, "1.2.3", LINUX, "kube-scheduler") == [
            f"https://dl.k8s.io/release/v1.2.3/bin/linux/amd64/kube-scheduler{end}"
        ]


def test_the_top_folder_of_an_archive_may_name_version_and_platform() -> None:
    etcd = load()["etcd"].official
    assert etcd
    assert etcd.top_folder("3.7.3", LINUX) == "etcd-v3.7.3-linux-amd64"


@pytest.mark.parametrize("urls", [{}, {"archives": ["https://a.example/a"], "programs": ["https://a.example/b"]}])
def test_a_publisher_offers_an_archive_or_programs(urls: dict[str, list[str]]) -> None:
    with pytest.raises(ValidationError, match="either `archives` or `programs`"):
        a_tool(official={"checksums": ["https://a.example/sums"], **urls})


def test_a_script_exists_and_builds_the_version_of_its_row() -> None:
    for tool in load().values():
        if isinstance(tool.build, ScriptBuild):
            script = CHECKOUT / tool.build.script
            assert script.stat().st_mode & 0o100, f"{script} cannot be run"
            assert f"version={tool.version}\n" in script.read_text()


def test_a_row_with_a_misspelt_column_is_refused() -> None:
    with pytest.raises(ValidationError, match="checksum"):
        a_tool("http://127.0.0.1", official={"checksum": "x"})


def test_a_row_whose_build_folder_is_missing_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"tools/build/nowhere/go\.mod is missing"):
        a_tool(build={"kind": "go", "folder": "nowhere", "package": "."})


@pytest.mark.parametrize(
    "change",
    [{"version": "1.2.4"}, {"build": {"kind": "wheel", "package": "tool", "hashes": ["1" * 64]}}, {"executable": "x"}],
    ids=["version", "hash", "executable"],
)
def test_the_recipe_changes_when_what_is_installed_would(change: dict[str, object]) -> None:
    assert a_tool().recipe(LINUX) != a_tool(**change).recipe(LINUX)


def test_the_recipe_is_another_on_another_platform() -> None:
    assert len({a_tool().recipe(p) for p in PLATFORMS}) == 4


def test_the_recipe_stays_when_only_words_about_the_tool_change() -> None:
    assert a_tool().recipe(LINUX) == a_tool(
        purpose="something else", default=False, group="rehearsal", minimum="1.0"
    ).recipe(LINUX)


def test_the_recipe_changes_with_every_file_of_its_build_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.table.BUILD_FOLDERS", tmp_path)
    (tmp_path / "m").mkdir()
    for name in ("go.mod", "go.sum", "main.go"):
        (tmp_path / "m" / name).write_text("one")
    tool = a_tool(build={"kind": "go", "folder": "m", "package": "."})
    before = tool.recipe(LINUX)
    assert tool.recipe(LINUX) == before
    (tmp_path / "m" / "main.go").write_text("two")
    assert tool.recipe(LINUX) != before


@pytest.mark.parametrize(
    ("version", "minimum", "expected"),
    [("1.26.6", "1.25.11", True), ("1.25.9", "1.25.11", False), ("1.25.11", "1.25.11", True), ("1.9", "1.25", False)],
)
def test_versions_are_compared_by_number_not_by_letter(version: str, minimum: str, expected: bool) -> None:
    assert at_least(version, minimum) is expected
