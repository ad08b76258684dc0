"""The publisher's download against a local site with the same layout."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.tools_publisher import LINUX, Publisher, a_tool, archive, publisher
from tools.errors import ToolError
from tools.official import Downloads, Unreachable, parse_checksums, unpack
from tools.table import Platform

pytestmark = pytest.mark.unit

CONTENT = archive({"tool": bytes(range(256)) * 2000})
SUMS = "tool-1.2.3-checksums.txt"


@pytest.fixture
def site() -> Iterator[Publisher]:
    with publisher() as running:
        yield running


def fetch(site: Publisher, downloads: Downloads, platform: Platform = LINUX) -> Path:
    tool = a_tool(site.url)
    assert tool.official
    return downloads.fetch(tool.name, tool.version, tool.official, platform, lambda there, total: None)


@pytest.mark.parametrize("arch", ["amd64", "arm64"])
@pytest.mark.parametrize("system", ["linux", "darwin"])
def test_each_platform_gets_its_own_file(site: Publisher, tmp_path: Path, system: str, arch: str) -> None:
    for o in ("linux", "darwin"):
        for a in ("amd64", "arm64"):
            site.publish(f"tool-v1.2.3-{o}-{a}.tar.gz", archive({"tool": f"{o}/{a}".encode()}), SUMS)
    unpack(fetch(site, Downloads(tmp_path), Platform(os=system, arch=arch)), "", tmp_path / "out")
    assert (tmp_path / "out" / "tool").read_text() == f"{system}/{arch}"


def test_a_wrong_checksum_is_refused_by_name_and_the_file_deleted(site: Publisher, tmp_path: Path) -> None:
    site.publish("tool-v1.2.3-linux-amd64.tar.gz", CONTENT, SUMS)
    site.files["/tool-v1.2.3-linux-amd64.tar.gz"] = CONTENT[:-1] + b"?"
    with pytest.raises(
        ToolError, match=r"tool 1\.2\.3: tool-v1\.2\.3-linux-amd64\.tar\.gz has another checksum"
    ) as told:
        fetch(site, Downloads(tmp_path))
    assert "run the same command again" in str(told.value)
    assert list(tmp_path.iterdir()) == []


def test_a_download_that_breaks_off_goes_on_where_it_was(site: Publisher, tmp_path: Path) -> None:
    site.publish("tool-v1.2.3-linux-amd64.tar.gz", CONTENT, SUMS)
    site.cut = [100, 200]
    assert fetch(site, Downloads(tmp_path, wait=0.01)).read_bytes() == CONTENT
    assert [r for p, r in site.asked if p.endswith(".tar.gz")] == ["", "bytes=100-", "bytes=300-"]


def test_the_next_run_goes_on_with_what_the_last_one_left(site: Publisher, tmp_path: Path) -> None:
    site.publish("tool-v1.2.3-linux-amd64.tar.gz", CONTENT, SUMS)
    site.cut = [100]
    with pytest.raises(Unreachable):
        fetch(site, Downloads(tmp_path, attempts=1))
    assert fetch(site, Downloads(tmp_path)).read_bytes() == CONTENT
    assert ("/tool-v1.2.3-linux-amd64.tar.gz", "bytes=100-") in site.asked


def test_a_complete_file_of_an_interrupted_run_is_not_fetched_again(site: Publisher, tmp_path: Path) -> None:
    site.publish("tool-v1.2.3-linux-amd64.tar.gz", CONTENT, SUMS)
    fetch(site, Downloads(tmp_path))
    assert fetch(site, Downloads(tmp_path)).read_bytes() == CONTENT


def test_a_host_that_does_not_answer_is_asked_once_in_a_run(tmp_path: Path) -> None:
    with publisher() as gone:
        url = gone.url
    downloads = Downloads(tmp_path)
    with pytest.raises(Unreachable, match="does not answer"):
        downloads.checksums([f"{url}/a", f"{url}/b"])
    downloads.client.close()
    with pytest.raises(Unreachable, match="does not answer"):  # A closed client could not even try.
        downloads.checksums([f"{url}/c"])


def test_a_page_that_is_no_checksum_file_counts_as_unreachable(site: Publisher, tmp_path: Path) -> None:
    site.files[f"/{SUMS}"] = b"<html>please log in to the hotel's network</html>"
    with pytest.raises(Unreachable, match="no checksum file"):
        fetch(site, Downloads(tmp_path))


def test_a_missing_release_counts_as_unreachable(site: Publisher, tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="answers 404"):
        fetch(site, Downloads(tmp_path))


def test_a_platform_the_publisher_has_nothing_for_counts_as_unreachable(site: Publisher, tmp_path: Path) -> None:
    site.publish("tool-v1.2.3-linux-amd64.tar.gz", CONTENT, SUMS)
    with pytest.raises(Unreachable, match=r"has no tool-v1\.2\.3-linux-arm64\.tar\.gz"):
        fetch(site, Downloads(tmp_path), Platform(os="linux", arch="arm64"))


def test_checksum_lines_are_read_with_and_without_the_star() -> None:
    digest = "AB" * 32
    assert parse_checksums(f"{digest}  a.tar.gz\n{digest} *b\n# no\n") == {
        "a.tar.gz": digest.lower(),
        "b": digest.lower(),
    }


def test_the_top_folder_is_left_out_and_programs_stay_executable(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(archive({"pulumi/pulumi": b"x", "other/readme": b"y"}))
    unpack(path, "pulumi", tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["pulumi"]
    assert (tmp_path / "out" / "pulumi").stat().st_mode & 0o111


@pytest.mark.parametrize("name", ["../evil", "/evil"])
def test_an_archive_cannot_write_outside_its_folder(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(archive({name: b"x"}))
    with pytest.raises(ToolError, match="leads out of its folder"):
        unpack(path, "", tmp_path / "out" / "deep")
    assert not list(tmp_path.rglob("evil"))


def test_an_archive_with_a_link_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        link = tarfile.TarInfo("tool")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    (tmp_path / "a.tar.gz").write_bytes(buffer.getvalue())
    with pytest.raises(ToolError, match="neither file nor directory"):
        unpack(tmp_path / "a.tar.gz", "", tmp_path / "out")


def test_a_damaged_archive_is_an_error_of_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(CONTENT[: len(CONTENT) // 2])
    with pytest.raises(ToolError, match="cannot be unpacked"):
        unpack(tmp_path / "a.tar.gz", "", tmp_path / "out")
