"""For each alert a timeline of what exporters would say, and when the alert must be silent, fire and be over.

A sample is taken each minute, the first at 0. What exporters say goes through the recording rules first.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.unit.monitoring_rules_samples import IMAGE, MIB, OTHER_IMAGE

CHAT = {"engine": "chat", "kind": "vllm", "model": "phi"}
SMALL = {"engine": "small", "kind": "ollama", "model": "gemma"}
VLLM = 'job="vllm",instance="chat:8000",engine="chat",kind="vllm",model="phi",model_name="phi",exported_engine="0"'
BEHIND = 'job="gateway",instance="g",proxy="engine-chat"'
API = 'job="gateway",instance="g",proxy="api"'
BOX = 'job="cadvisor",instance="c",workload="chat",id="/docker/1"'
DISK = 'job="node",instance="h",device="/dev/a",fstype="ext4",mountpoint="/"'
ROOT = {"job": "node", "instance": "h", "device": "/dev/a", "fstype": "ext4", "mountpoint": "/"}
GPU = 'job="dcgm",instance="d",gpu="0",Hostname="h"'
CARD = {"job": "dcgm", "instance": "d", "gpu": "0", "Hostname": "h"}


@dataclass(frozen=True)
class Case:
    """What is said (`series`), and minutes at which the alert is `silent`, `fires` with these `labels`, and is `over`.

    `quiet` are other alerts that must not fire while this one does.
    """

    alert: str
    series: dict[str, str]
    silent: int | None
    fires: int
    over: int | None
    labels: dict[str, str] = field(default_factory=dict)
    quiet: tuple[str, ...] = ()
    note: str = ""


def gauge(good: float, bad: float, begin: int, end: int, last: int = 0) -> str:
    """`good`, from minute `begin` on `bad`, from minute `end` on `good` again."""
    return f"{good:.12g}x{begin - 1} {bad:.12g}x{end - begin - 1} {good:.12g}x{max(last - end, 30)}"


def burst(step: float, begin: int, end: int, last: int = 0) -> str:
    """A counter that rises by `step` a minute between minutes `begin` and `end` only."""
    return f"0x{begin - 1} {step:g}+{step:g}x{end - begin - 1} {step * (end - begin):.12g}x{max(last - end, 60)}"


def pause(step: float, begin: int, end: int, last: int = 0) -> str:
    """A counter that rises by `step` a minute, but stands still between minutes `begin` and `end`."""
    at = step * begin
    return f"0+{step:g}x{begin} {at:.12g}x{end - begin - 1} {at + step:.12g}+{step:g}x{max(last - end, 60)}"


def steady(step: float, minutes: int = 600) -> str:
    """A counter that rises by `step` a minute."""
    return f"0+{step:g}x{minutes}"


def responses(proxy: str, code: str) -> str:
    return f'haproxy_backend_http_responses_total{{{proxy},code="{code}"}}'


def one(name: str, labels: str, values: str) -> dict[str, str]:
    return {f"{name}{{{labels}}}": values}


ENGINES = (
    Case(
        "EngineDown",
        one("haproxy_backend_active_servers", BEHIND, gauge(2, 0, 10, 20))
        # An engine that may rest is not down when it does.
        | one("haproxy_backend_active_servers", 'job="gateway",instance="g",proxy="engine-rest"', "0x60"),
        silent=11, fires=13, over=22, labels=CHAT, quiet=("EngineCopiesMissing",),
    ),
    Case(
        "EngineDown",
        one("haproxy_backend_active_servers", 'job="gateway",instance="g",proxy="engine-far"', gauge(1, 0, 10, 20)),
        silent=11, fires=13, over=22, labels={"engine": "far", "kind": "external", "model": "gpt"},
        note="an endpoint outside",
    ),
    Case(
        "EngineCopiesMissing",
        one("haproxy_backend_active_servers", BEHIND, gauge(2, 1, 5, 25)),
        silent=13, fires=17, over=28, labels=CHAT, quiet=("EngineDown",),
    ),
    Case(
        "EngineHung",
        one("vllm:num_requests_running", VLLM, "2x90") | one("vllm:generation_tokens_total", VLLM, pause(100, 10, 25)),
        silent=12, fires=20, over=35, labels=CHAT,
    ),
    Case(
        "EngineAnswersNothing",
        one("haproxy_backend_current_sessions", 'job="gateway",instance="g",proxy="engine-small"', "1x90")
        | one("haproxy_backend_current_queue", 'job="gateway",instance="g",proxy="engine-small"', "0x90")
        | one(
            "haproxy_server_current_queue", 'job="gateway",instance="g",proxy="engine-small",server="small"', "0x90"
        )
        | {responses('job="gateway",instance="g",proxy="engine-small"', "2xx"): pause(6, 10, 35)},
        silent=13, fires=28, over=45, labels=SMALL,
    ),
    Case(
        "EngineFailures",
        one("vllm:request_success_total", f'{VLLM},finished_reason="error"', burst(3, 10, 20)),
        silent=12, fires=18, over=40, labels=CHAT,
    ),
    Case(
        "EngineFailures",
        one(
            "slm_onnx_requests_total",
            'job="onnx",instance="o",engine="own",kind="onnx",model="qwen-onnx",outcome="error"',
            burst(3, 10, 20),
        ),
        silent=12, fires=18, over=40, labels={"engine": "own", "kind": "onnx", "model": "qwen-onnx"},
        note="of the ONNX server",
    ),
    Case(
        "ModelNotLoaded",
        one("up", VLLM, gauge(1, 0, 5, 30)),
        silent=18, fires=23, over=33, labels=CHAT,
    ),
    Case(
        "ErrorBudgetBurnFast",
        {responses(BEHIND, "2xx"): steady(60), responses(BEHIND, "5xx"): burst(60, 60, 80, 300)},
        silent=65, fires=78, over=150, labels=CHAT,
    ),
    Case(
        "ErrorBudgetBurnSlow",
        {responses(BEHIND, "2xx"): steady(57), responses(BEHIND, "5xx"): burst(3, 1, 60, 600)},
        silent=10, fires=40, over=450, labels=CHAT, quiet=("ErrorBudgetBurnFast",),
    ),
    Case(
        "FirstTokenBudgetBurnFast",
        one("vllm:time_to_first_token_seconds_bucket", f'{VLLM},le="2.5"', pause(60, 60, 100, 300))
        | one("vllm:time_to_first_token_seconds_count", VLLM, steady(60)),
        silent=70, fires=95, over=160, labels=CHAT,
    ),
    Case(
        "FirstTokenBudgetBurnSlow",
        one("vllm:time_to_first_token_seconds_bucket", f'{VLLM},le="2.5"', "0+48x120 5820+60x600")
        | one("vllm:time_to_first_token_seconds_count", VLLM, steady(60, 720)),
        silent=10, fires=40, over=600, labels=CHAT, quiet=("FirstTokenBudgetBurnFast",),
    ),
    Case(
        "TokensSlow",
        one("vllm:inter_token_latency_seconds_bucket", f'{VLLM},le="0.1"', pause(60, 10, 30))
        | one("vllm:inter_token_latency_seconds_bucket", f'{VLLM},le="0.5"', pause(60, 10, 30))
        | one("vllm:inter_token_latency_seconds_bucket", f'{VLLM},le="1.0"', steady(60))
        | one("vllm:inter_token_latency_seconds_bucket", f'{VLLM},le="+Inf"', steady(60)),
        silent=15, fires=25, over=50, labels=CHAT,
    ),
    Case(
        "QueueWaitLong",
        one("haproxy_backend_current_queue", BEHIND, gauge(0, 30, 5, 25)) | {responses(BEHIND, "2xx"): steady(30)},
        silent=8, fires=15, over=28, labels=CHAT,
    ),
    Case(
        "QueueNotEmptying",
        one("vllm:num_requests_waiting", VLLM, gauge(0, 1, 5, 35)),
        silent=18, fires=25, over=38, labels=CHAT,
    ),
    Case(
        "EngineRejects",
        one("vllm:admission_rejections_total", f'{VLLM},reason="max_num_queued_reqs"', burst(3, 10, 20)),
        silent=12, fires=18, over=40, labels=CHAT,
    ),
    Case(
        "ClientsGiveUp",
        one("haproxy_backend_client_aborts_total", BEHIND, burst(30, 5, 35)) | {responses(BEHIND, "2xx"): steady(60)},
        silent=12, fires=25, over=45, labels=CHAT,
    ),
    Case(
        "KvCacheFull",
        one("vllm:kv_cache_usage_perc", VLLM, gauge(0.5, 0.99, 5, 25)) | one("vllm:num_requests_waiting", VLLM, "3x60"),
        silent=8, fires=15, over=28, labels=CHAT,
    ),
    Case(
        "Preemptions",
        one("vllm:num_preemptions_total", VLLM, burst(60, 5, 35)),
        silent=12, fires=25, over=45, labels=CHAT,
    ),
    Case(
        "MemoryAbovePrediction",
        one("container_memory_working_set_bytes", BOX, gauge(900 * MIB, 1200 * MIB, 5, 65)),
        silent=30, fires=45, over=75, labels=CHAT,
    ),
)  # fmt: skip

GATEWAY = (
    Case(
        "GatewayDown",
        one("up", 'job="gateway",instance="g"', gauge(1, 0, 5, 10)),
        silent=4, fires=8, over=12, labels={"job": "gateway", "instance": "g"},
    ),
    Case("GatewayDown", {}, silent=None, fires=3, over=None, labels={"job": "gateway"}, note="no target at all"),
    Case(
        "PublicPathDown",
        one("probe_success", 'job="blackbox",instance="u"', gauge(1, 0, 5, 15)),
        silent=6, fires=9, over=17, labels={"job": "blackbox", "instance": "u"},
    ),
    Case(
        "PublicPathSlow",
        one("probe_duration_seconds", 'job="blackbox",instance="u"', gauge(0.1, 2, 5, 25)),
        silent=12, fires=18, over=28, labels={"job": "blackbox", "instance": "u"}, quiet=("PublicPathDown",),
    ),
    Case(
        "CertificateExpires",
        one("probe_ssl_earliest_cert_expiry", 'job="blackbox",instance="u"', "1213200x150 9000000x60"),
        silent=100, fires=140, over=160, labels={"job": "blackbox", "instance": "u"}, quiet=("CertificateExpiresNow",),
    ),
    Case(
        "CertificateExpiresNow",
        one("probe_ssl_earliest_cert_expiry", 'job="blackbox",instance="u"', "262800x90 9000000x60"),
        silent=65, fires=80, over=100, labels={"job": "blackbox", "instance": "u"},
    ),
    Case(
        "GatewayRefusesMany",
        one("haproxy_frontend_http_responses_total", f'{API},code="4xx"', burst(90, 5, 35))
        | one("haproxy_frontend_http_responses_total", f'{API},code="2xx"', steady(60)),
        silent=12, fires=25, over=45,
    ),
    Case(
        "GatewayConnectionsNearlyFull",
        one("haproxy_frontend_current_sessions", API, gauge(10, 150, 5, 25))
        | one("haproxy_frontend_limit_sessions", API, "160x60"),
        silent=8, fires=15, over=28,
    ),
    Case(
        "GatewayKeyTableNearlyFull",
        one("haproxy_sticktable_used", 'job="gateway",instance="g",name="keys"', gauge(3, 10000, 5, 25))
        | one("haproxy_sticktable_size", 'job="gateway",instance="g",name="keys"', "10240x60"),
        silent=8, fires=15, over=28,
    ),
    Case(
        # Time begins at 0, so it was made before; then it is retired. Another one, made at 0, is young.
        "ApiKeyOld",
        {'slm:key_made_timestamp_seconds{key="key-7"}': "-7775000x90 _x60"},
        silent=76, fires=80, over=97, labels={"key": "key-7"}, quiet=("ApiKeyAgeUnknown",),
    ),
    Case(
        "ApiKeyAgeUnknown",
        {'slm:key_info{key="key-7",age="unknown"}': "1x90 _x60"},
        silent=58, fires=65, over=97, labels={"key": "key-7", "age": "unknown"}, quiet=("ApiKeyOld",),
    ),
)  # fmt: skip

HOSTS = (
    Case(
        "WorkloadRestarted",
        one("container_start_time_seconds", BOX, "100x20 1300x60")
        | one("container_memory_working_set_bytes", BOX, f"{500 * MIB}x90")
        | one("container_spec_memory_limit_bytes", BOX, f"{1000 * MIB}x90")
        | one("node_vmstat_oom_kill", 'job="node",instance="h"', "7x90"),
        silent=18, fires=23, over=45, labels={"workload": "chat"},
        quiet=("WorkloadRestartsAgain", "WorkloadOutOfMemory", "WorkloadLimitDiffers"),
    ),
    Case(
        "WorkloadRestartsAgain",
        one("container_start_time_seconds", BOX, "100x20 1300x2 1400x2 1500x60"),
        silent=25, fires=30, over=60, labels={"workload": "chat"},
    ),
    Case(
        "WorkloadOutOfMemory",
        one("container_oom_events_total", BOX, "0x4 1x60"),
        silent=4, fires=8, over=25, labels={"workload": "chat"}, note="counted by the kernel",
    ),
    Case(
        "WorkloadOutOfMemory",
        one("container_start_time_seconds", BOX, "100x20 1300x60")
        | one("container_memory_working_set_bytes", BOX, f"{980 * MIB}x20 {100 * MIB}x60")
        | one("container_spec_memory_limit_bytes", BOX, f"{1000 * MIB}x90"),
        silent=18, fires=23, over=45, labels={"workload": "chat"}, note="started again after it was full",
    ),
    Case(
        "WorkloadOutOfMemory",
        one("container_start_time_seconds", BOX, "100x20 1300x60")
        | one("node_vmstat_oom_kill", 'job="node",instance="h"', "7x20 8x60"),
        silent=18, fires=23, over=45, labels={"workload": "chat"}, note="started again after the host killed something",
    ),
    Case(
        "WorkloadRestarted",
        one("container_start_time_seconds", BOX, "100x30 1900x60")
        | one("node_vmstat_oom_kill", 'job="node",instance="h"', "7x20 8x70"),
        silent=28, fires=33, over=60, labels={"workload": "chat"}, quiet=("WorkloadOutOfMemory",),
        note="ten minutes after the host killed something else",
    ),
    Case(
        "WorkloadMemoryNearlyFull",
        one("container_memory_working_set_bytes", BOX, gauge(500 * MIB, 980 * MIB, 5, 25))
        | one("container_spec_memory_limit_bytes", BOX, f"{1000 * MIB}x60"),
        silent=12, fires=18, over=28, labels={"workload": "chat"}, quiet=("WorkloadOutOfMemory",),
    ),
    Case(
        "WorkloadThrottled",
        one("container_cpu_cfs_throttled_periods_total", BOX, burst(300, 5, 40))
        | one("container_cpu_cfs_periods_total", BOX, steady(400)),
        silent=15, fires=30, over=50, labels={"workload": "chat"},
    ),
    Case(
        "DiskNearlyFull",
        one("node_filesystem_avail_bytes", DISK, gauge(50e9, 10e9, 5, 25))
        | one("node_filesystem_size_bytes", DISK, "100e9x60"),
        silent=8, fires=15, over=28, labels=ROOT, quiet=("DiskFull",),
    ),
    Case(
        "DiskFull",
        one("node_filesystem_avail_bytes", DISK, gauge(50e9, 1e9, 5, 25))
        | one("node_filesystem_size_bytes", DISK, "100e9x60"),
        silent=6, fires=10, over=28, labels=ROOT,
    ),
    Case(
        "DiskFillsSoon",
        one("node_filesystem_avail_bytes", DISK, "39e9-60e6x100 33e9x600")
        | one("node_filesystem_size_bytes", DISK, "100e9x720"),
        silent=50, fires=90, over=600, labels=ROOT, quiet=("DiskNearlyFull",),
    ),
    Case(
        "InodesNearlyUsed",
        one("node_filesystem_files_free", DISK, gauge(500000, 10000, 5, 25))
        | one("node_filesystem_files", DISK, "1000000x60"),
        silent=12, fires=18, over=28, labels=ROOT,
    ),
    Case(
        "HostMemoryLow",
        one("node_memory_MemAvailable_bytes", 'job="node",instance="h"', gauge(8e9, 0.5e9, 5, 25))
        | one("node_memory_MemTotal_bytes", 'job="node",instance="h"', "16e9x60"),
        silent=8, fires=15, over=28, labels={"job": "node", "instance": "h"},
    ),
    Case(
        "HostClockWrong",
        one("node_timex_offset_seconds", 'job="node",instance="h"', gauge(0.001, -0.2, 5, 25)),
        silent=12, fires=18, over=28, labels={"job": "node", "instance": "h"},
    ),
    Case(
        "HostClockUnset",
        one("node_timex_sync_status", 'job="node",instance="h"', gauge(1, 0, 5, 85))
        | one("node_timex_maxerror_seconds", 'job="node",instance="h"', gauge(0.1, 16, 5, 85)),
        silent=50, fires=75, over=88, labels={"job": "node", "instance": "h"}, quiet=("HostClockWrong",),
    ),
    Case("GpuHot", one("DCGM_FI_DEV_GPU_TEMP", GPU, gauge(60, 91, 5, 25)), silent=8, fires=15, over=28, labels=CARD),
    Case("GpuFault", one("DCGM_FI_DEV_XID_ERRORS", GPU, "0x4 79x100"), silent=4, fires=7, over=70, labels=CARD),
    Case(
        "GpuMemoryFull",
        one("DCGM_FI_DEV_FB_FREE", GPU, gauge(4000, 100, 5, 25)) | one("DCGM_FI_DEV_FB_USED", GPU, "12000x60"),
        silent=12, fires=18, over=28, labels=CARD,
    ),
    Case(
        "GpuIdle",
        one("DCGM_FI_DEV_GPU_UTIL", GPU, "80x10 0x300 80x100"),
        silent=200, fires=280, over=360, labels=CARD,
    ),
)  # fmt: skip

DESCRIBED = (
    Case(
        "WorkloadMissing",
        one("up", 'job="cadvisor",instance="c"', "1x60")
        | one("container_memory_working_set_bytes", BOX, "1000000x60")
        | one("container_memory_working_set_bytes", 'job="cadvisor",workload="gateway"', "10x4 stale _x15 10x30"),
        silent=8, fires=13, over=24, labels={"workload": "gateway"},
    ),
    Case(
        "WorkloadImageDiffers",
        one("container_start_time_seconds", f'{BOX},image="{IMAGE}"', "1x4 stale _x19 1x30")
        | one("container_start_time_seconds", f'{BOX},image="site/chat@{OTHER_IMAGE}"', "_x5 1x19 stale"),
        silent=12, fires=18, over=28, labels={"workload": "chat", "image_digest": OTHER_IMAGE},
    ),
    Case(
        "WorkloadLimitDiffers",
        one("container_spec_memory_limit_bytes", BOX, gauge(1000 * MIB, 2000 * MIB, 5, 25)),
        silent=12, fires=18, over=28, labels={"workload": "chat"},
    ),
)  # fmt: skip

PROMETHEUS = {"job": "prometheus", "instance": "p"}
SELF = 'job="prometheus",instance="p"'
NODE = 'job="node",instance="h"'
SHOP = 'job="alertmanager",instance="a"'
LOKI = 'job="loki",instance="l"'
SENDER = 'job="forwarder",instance="f",url="1:secret-url"'
QUEUE = 'job="forwarder",instance="f",path="/forwarder/persistent-queue/1_0"'
SHIPPER = 'job="collector",instance="o",data_type="logs",exporter="otlphttp"'

MONITORING = (
    Case("Watchdog", {}, silent=None, fires=1, over=None),
    Case(
        "TargetDown",
        one("up", 'job="node",instance="h"', gauge(1, 0, 5, 25)),
        silent=8, fires=15, over=28, labels={"job": "node", "instance": "h"},
    ),
    Case(
        "TargetMissing",
        {f'up{{job="{job}",instance="x"}}': "1x60" for job in ("vllm", "llamacpp", "onnx", "ollama", "gateway", "node")}
        | one("up", SELF, "1x60")
        | one("up", 'job="cadvisor",instance="c"', "1x4 stale _x19 1x30"),
        silent=8, fires=15, over=28, labels={"job": "cadvisor"},
    ),
    Case(
        "ScrapeTooLarge",
        one("prometheus_target_scrapes_exceeded_sample_limit_total", SELF, burst(1, 5, 15)),
        silent=4, fires=10, over=40, labels=PROMETHEUS,
    ),
    Case(
        "PrometheusConfigurationRefused",
        one("prometheus_config_last_reload_successful", SELF, gauge(1, 0, 5, 25)),
        silent=8, fires=15, over=28, labels=PROMETHEUS,
    ),
    Case(
        "PrometheusRulesFail",
        one("prometheus_rule_evaluation_failures_total", f'{SELF},rule_group="records.yml;slm-x"', burst(4, 5, 25)),
        silent=8, fires=15, over=40, labels={"rule_group": "records.yml;slm-x"},
    ),
    Case(
        "PrometheusStorageFails",
        one("prometheus_tsdb_compactions_failed_total", SELF, burst(1, 5, 7, 300)),
        silent=4, fires=10, over=200, labels=PROMETHEUS,
    ),
    Case(
        "PrometheusWithoutAlertmanager",
        one("prometheus_notifications_alertmanagers_discovered", SELF, gauge(1, 0, 5, 25)),
        silent=8, fires=15, over=28, labels=PROMETHEUS,
    ),
    Case(
        "PrometheusNotificationsFail",
        one("prometheus_notifications_errors_total", f'{SELF},alertmanager="http://a"', burst(4, 5, 25)),
        silent=8, fires=15, over=40,
    ),
    Case(
        "PrometheusNotificationsFail",
        one("prometheus_notifications_dropped_total", SELF, burst(4, 5, 25)),
        silent=8, fires=15, over=40, note="dropped",
    ),
    Case(
        "AlertmanagerConfigurationRefused",
        one("alertmanager_config_last_reload_successful", SHOP, gauge(1, 0, 5, 25)),
        silent=8, fires=15, over=28, labels={"job": "alertmanager", "instance": "a"},
    ),
    Case(
        "AlertmanagerNotificationsFail",
        one("alertmanager_notifications_failed_total", f'{SHOP},integration="webhook",reason="other"', burst(4, 5, 25)),
        silent=8, fires=15, over=50, labels={"integration": "webhook"},
    ),
    Case(
        "LogStoreFails",
        one("loki_request_duration_seconds_count", f'{LOKI},status_code="500"', burst(10, 5, 35))
        | one("loki_request_duration_seconds_count", f'{LOKI},status_code="204"', steady(60)),
        silent=12, fires=20, over=45,
    ),
    Case(
        "LogShipperFails",
        one("otelcol_exporter_queue_size", SHIPPER, gauge(1000, 30e6, 5, 35))
        | one("otelcol_exporter_queue_capacity", SHIPPER, "67108864x90"),
        silent=12, fires=20, over=38,
        labels={"job": "collector", "instance": "o", "data_type": "logs", "exporter": "otlphttp"},
    ),
    Case(
        "LogsDoNotArrive",
        one("loki_distributor_lines_received_total", LOKI, pause(50, 10, 50)) | {responses(BEHIND, "2xx"): steady(6)},
        silent=20, fires=42, over=55,
    ),
    Case(
        "LogFlood",
        one("loki_discarded_bytes_total", f'{LOKI},reason="rate_limited"', burst(MIB, 5, 25)),
        silent=8, fires=15, over=40,
    ),
    Case(
        "BackupTooOld",
        # It passes its limit at minute 30, an hour before the alert.
        one("slm_backup_last_success_timestamp_seconds", NODE, f"{1800 - 8 * 86400}x110 6600x60"),
        silent=85, fires=95, over=113, labels={"job": "node", "instance": "h"}, quiet=("BackupMissing",),
    ),
    Case(
        "BackupMissing",
        one("prometheus_tsdb_lowest_timestamp_seconds", SELF, f"{1800 - 8 * 86400}x170")
        | one("slm_backup_last_success_timestamp_seconds", NODE, "_x110 6600x60"),
        silent=85, fires=95, over=113, labels=PROMETHEUS, quiet=("BackupTooOld",),
    ),
)  # fmt: skip

FORWARDING = (
    Case(
        "ForwardingBehind",
        # A new start in the middle of it.
        one("vmagent_remotewrite_pending_data_bytes", QUEUE, "0x9 5000+1000x100 stale _x8 120000+1000x180 0x60"),
        silent=260, fires=275, over=303,
    ),
    Case(
        "ForwardingRefused",
        one("vmagent_remotewrite_requests_total", f'{SENDER},status_code="401"', burst(1, 5, 25))
        | one("vmagent_remotewrite_requests_total", f'{SENDER},status_code="2XX"', steady(4))
        # It answers again by itself.
        | one("vmagent_remotewrite_requests_total", f'{SENDER},status_code="503"', steady(1)),
        silent=12, fires=20, over=45, labels={"status_code": "401"}, quiet=("ForwardingDropping",),
    ),
    Case(
        "ForwardingBufferNearlyFull",
        one("vm_persistentqueue_bytes_pending", QUEUE, gauge(0, 900 * MIB, 5, 40))
        | one("vm_persistentqueue_free_disk_space_bytes", QUEUE, gauge(1024 * MIB, 124 * MIB, 5, 40)),
        silent=18, fires=25, over=43,
    ),
    Case(
        "ForwardingDropping",
        one("vmagent_remotewrite_packets_dropped_total", SENDER, burst(1, 5, 7, 100)),
        silent=4, fires=10, over=75, quiet=("ForwardingBehind",),
        note="refused",
    ),
    Case(
        "ForwardingDropping",
        one("vm_persistentqueue_blocks_dropped_total", QUEUE, burst(1, 5, 7, 100)),
        silent=4, fires=10, over=75, quiet=("ForwardingBehind",),
        note="no room",
    ),
)  # fmt: skip

FEW = (
    Case(
        "Watchdog",
        {responses(BEHIND, "2xx"): "0x30 1x90", responses(BEHIND, "5xx"): "0x20 2x100"},
        silent=None, fires=32, over=None, quiet=("ErrorBudgetBurnFast", "ErrorBudgetBurnSlow"),
        note="two failures of three requests are nobody's alarm",
    ),
    Case(
        "Watchdog",
        one("vllm:time_to_first_token_seconds_bucket", f'{VLLM},le="2.5"', "0x20 1x100")
        | one("vllm:time_to_first_token_seconds_count", VLLM, "0x20 3x100"),
        silent=None, fires=32, over=None, quiet=("FirstTokenBudgetBurnFast", "FirstTokenBudgetBurnSlow"),
        note="two late answers of three are nobody's alarm",
    ),
)  # fmt: skip

CASES = (*ENGINES, *GATEWAY, *HOSTS, *DESCRIBED, *MONITORING, *FORWARDING, *FEW)
