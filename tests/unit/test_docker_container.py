"""What a workload becomes on Docker: hardening is there without anyone asking for it."""

import pytest

from components.targets.docker.container import Mount, Names, job_arguments, mounts, service_arguments
from components.workload import File, Probe, Resources, Scratch, Volume, Workload

pytestmark = pytest.mark.unit
IMAGE = "sha256:" + "a" * 64
NAMES = Names("dev")


def service(**changes: object) -> Workload:
    values: dict[str, object] = {
        "name": "chat",
        "image": IMAGE,
        "port": 11434,
        "probe": Probe(command=("true",), startup=90),
        "resources": Resources(memory_mib=512, cpus=2, pids=99),
        "scratch": (Scratch(path="/tmp", size_mib=32),),
        "env": {"B": "2", "A": "1"},
    }
    return Workload.model_validate(values | changes)


def job(**changes: object) -> Workload:
    return service(port=None, probe=None, name="fetch", **changes)


def test_control_01_every_container_runs_as_a_numeric_user_that_is_not_root() -> None:
    assert service_arguments(service(), NAMES)["user"] == "10001:10001"
    assert job_arguments(job(), NAMES, [], None)["user"] == "10001:10001"
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        service(user=0)


def test_control_02_the_root_file_system_is_read_only() -> None:
    assert service_arguments(service(), NAMES)["read_only"] is True
    assert job_arguments(job(), NAMES, [], None)["read_only"] is True


def test_control_03_scratch_directories_say_owner_mode_size_and_no_exec() -> None:
    expected = {"/tmp": "rw,nosuid,nodev,noexec,size=32m,uid=10001,gid=10001,mode=0700"}
    assert service_arguments(service(), NAMES)["tmpfs"] == expected
    assert job_arguments(job(), NAMES, [], None)["tmpfs"] == expected


def test_control_03_only_a_scratch_directory_that_asks_for_it_may_run_programs() -> None:
    arguments = service_arguments(service(scratch=(Scratch(path="/jit", executable=True),)), NAMES)
    assert ",exec," in arguments["tmpfs"]["/jit"]


def test_control_04_and_05_capabilities_are_dropped_and_privileges_cannot_grow() -> None:
    arguments = service_arguments(service(), NAMES)
    assert arguments["capabilities"] == {"drops": ["ALL"]}
    assert arguments["security_opts"] == ["no-new-privileges:true"]
    fetch = job_arguments(job(), NAMES, [], None)
    assert (fetch["cap_drop"], fetch["security_opt"]) == (["ALL"], ["no-new-privileges:true"])


def test_control_06_nothing_of_the_host_is_shared() -> None:
    arguments = service_arguments(service(), NAMES)
    assert (arguments["privileged"], arguments["ipc_mode"]) == (False, "private")
    assert not {"pid_mode", "network_mode", "uts_mode", "userns_mode"} & set(arguments)


def test_control_07_memory_swap_equals_memory_and_cpus_are_limited() -> None:
    arguments = service_arguments(service(), NAMES)
    assert (arguments["memory"], arguments["memory_swap"], arguments["cpus"]) == (512, 512, "2.0")
    fetch = job_arguments(job(), NAMES, [], None)
    assert (fetch["mem_limit"], fetch["memswap_limit"], fetch["nano_cpus"]) == ("512m", "512m", 2_000_000_000)


def test_control_08_jobs_have_a_pids_limit_from_the_start() -> None:
    assert job_arguments(job(), NAMES, [], None)["pids_limit"] == 99


def test_control_10_a_job_without_egress_has_no_network() -> None:
    arguments = job_arguments(job(), NAMES, [], None)
    assert (arguments["network"], arguments["network_disabled"]) == (None, True)


def test_control_12_a_service_waits_for_its_health_as_long_as_it_may_start() -> None:
    arguments = service_arguments(service(), NAMES)
    assert arguments["healthcheck"]["start_period"] == "1m30s"
    assert arguments["wait"] is True
    assert arguments["wait_timeout"] >= 90


def test_control_14_logs_are_rotated() -> None:
    kept = {"max-size": "10m", "max-file": "3", "labels": "slm.stack,slm.workload"}
    assert service_arguments(service(), NAMES)["log_opts"] == kept
    assert job_arguments(job(), NAMES, [], None)["log_config"]["config"] == kept


def test_control_18_the_daemon_waits_longer_than_the_service_drains() -> None:
    arguments = service_arguments(service(drain=30), NAMES)
    assert arguments["stop_timeout"] > 30
    assert arguments["destroy_grace_seconds"] > 30
    assert arguments["stop_signal"] == "SIGTERM"


def test_environment_is_in_a_fixed_order_so_that_it_makes_no_difference() -> None:
    assert service_arguments(service(), NAMES)["envs"] == ["A=1", "B=2"]


def test_files_and_volumes_are_mounted_read_only_unless_they_say_otherwise() -> None:
    workload = service(
        files=(File(name="a.conf", content="x"),),
        volumes=(
            Volume(name="models", path="/models", size_gib=1),
            Volume(name="data", path="/data", size_gib=1, read_only=False),
        ),
    )
    assert mounts(workload, NAMES) == [
        Mount("slm-dev-models", "/models", True),
        Mount("slm-dev-data", "/data", False),
        Mount("slm-dev-chat-files", "/etc/slm", True),
    ]


def test_two_stacks_on_one_host_never_share_a_name() -> None:
    one, two = Names("dev"), Names("pr-7")
    assert {one.container("chat"), one.files("chat"), one.volume("chat")}.isdisjoint(
        {two.container("chat"), two.files("chat"), two.volume("chat")}
    )
