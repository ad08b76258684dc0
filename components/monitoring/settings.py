"""What a stack file may say about monitoring. Every default of it is here and nowhere else."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, field_validator, model_validator

from components.gateway.limits import positive
from components.monitoring.forward import Forward
from components.monitoring.grafana_settings import Grafana
from components.monitoring.receivers import Receiver
from components.monitoring.rules.objectives import Objectives
from components.workload import Name, Value

EmailAddress = Annotated[str, StringConstraints(pattern=r"^[^@\s,]{1,64}@[^@\s,]+$")]
Days = Annotated[int, BeforeValidator(positive), Field(le=3650)]


class Retention(Value):
    """How long and how much is kept; whichever is reached first ends it.

    `metrics_days`, `metrics_gib`: Prometheus' samples. `logs_days`: log lines. `logs_gib`: what they may take on disk;
    it bounds how fast lines are taken in, because Loki drops by age alone (components/monitoring/loki.py).
    """

    metrics_days: Days = 15
    metrics_gib: float = Field(4, ge=0.5, le=16384)
    logs_days: Days = 7
    logs_gib: float = Field(2, ge=0.5, le=16384)

    @property
    def metrics_volume_gib(self) -> float:
        """The space Prometheus needs: blocks up to their limit, and the log it writes ahead of them."""
        return self.metrics_gib * 1.2 + 1

    @property
    def logs_volume_gib(self) -> float:
        """The space Loki needs: chunks up to their limit, its index and the log it writes ahead."""
        return self.logs_gib * 1.2 + 1


class LogContents(Value):
    """Prompts and answers in the gateway's log. `reason` is why, for whoever reads the stack's file later.

    They are then kept like every other line, for the retention's days, readable by everybody who may see the logs.
    """

    reason: str = Field(min_length=20, max_length=500)

    @field_validator("reason")
    @classmethod
    def _says_something(cls, reason: str) -> str:
        if len(set(reason.lower().split())) < 3:
            raise ValueError(
                "people's prompts and their answers are kept because of it: write in a sentence why, and until when"
            )
        return reason


class Logs(Value):
    """What is written of requests. Without `contents`, no prompt and no answer is in any log."""

    contents: LogContents | None = None


class Monitoring(Value):
    """Prometheus, Alertmanager, a store of logs, and what they ask: a part for everything that a stack has.

    None of it is published but Grafana, and that only where its image can be had. `receivers` are whom alerts are sent
    to, by name; without one they are shown by `make status` and nowhere else. `scrape_seconds` is how often every
    part is asked for its figures; `prometheus_mib` and `loki_mib` are the memory limits of the two that grow with what
    they keep.
    `kind: azure-managed` is for AKS: Azure keeps figures and alerts, shows them in its Grafana unless that is null, and
    writes of alerts to `emails`; logs go where the cluster's own go. Of the stack only what calls the gateway runs, and
    what asks engines without figures of their own.
    An API key that is older than `key_max_age_days` is an alert. `forward` sends figures to a store beyond the stack.
    """

    kind: Literal["prometheus", "azure-managed"] = "prometheus"
    target: Name
    emails: tuple[EmailAddress, ...] = ()
    scrape_seconds: Annotated[int, BeforeValidator(positive), Field(ge=5, le=300)] = 15
    retention: Retention = Retention()
    logs: Logs = Logs()
    objectives: Objectives = Objectives()
    key_max_age_days: Days = 90
    receivers: dict[Name, Receiver] = Field(default_factory=dict)
    forward: Forward | None = None
    grafana: Grafana | None = Grafana()
    prometheus_mib: int = Field(512, ge=256)
    loki_mib: int = Field(512, ge=256)

    @model_validator(mode="after")
    def _every_severity_has_a_way_out(self) -> Self:
        if self.receivers and not any("critical" in receiver.severities for receiver in self.receivers.values()):
            raise ValueError(
                "no receiver takes critical alerts, so the worst ones would reach nobody: add critical to severities"
                " of one of them"
            )
        return self

    @model_validator(mode="after")
    def _says_only_what_its_kind_can(self) -> Self:
        if not self.managed:
            if self.emails:
                raise ValueError(
                    "emails are of kind azure-managed, whose mails Azure sends — use receivers, kind: email"
                )
            return self
        given = self.model_fields_set & {"retention", "receivers", "forward", "prometheus_mib", "loki_mib"}
        if given:
            raise ValueError(
                f"kind azure-managed: Azure keeps and sends, so that {sorted(given)[0]} says nothing — remove it"
            )
        if self.grafana and self.grafana.model_fields_set:
            raise ValueError("kind azure-managed: Azure runs Grafana, at an address of its own — grafana: {} or null")
        if self.scrape_seconds > 60:
            raise ValueError(
                "kind azure-managed: rules look at each minute, so that it asks at least as often — 60 or less"
            )
        return self

    @property
    def managed(self) -> bool:
        """Whether Azure does it."""
        return self.kind == "azure-managed"

    @property
    def secret_names(self) -> list[str]:
        """Names of the secrets that a person gives: credentials of receivers and store, Grafana's certificate."""
        named = [receiver.secret for receiver in self.receivers.values() if receiver.secret]
        named += [self.forward.secret] if self.forward and self.forward.secret else []
        tls = self.grafana.tls if self.grafana else None
        return [*named, *([tls.certificate, tls.key] if tls else [])]
