"""Pulumi's provider protocol, spoken to `Provider`: messages in, messages out, errors as the engine prints them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NoReturn

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from rehearsal.providers.azure.errors import ArmError, PartlyDone, PluginError
from rehearsal.providers.azure.introspection import sdk_version
from rehearsal.providers.azure.invokes import invoke
from rehearsal.providers.azure.manager import Manager
from rehearsal.providers.azure.provider import Provider
from rehearsal.providers.azure.schema_cache import schema
from rehearsal.providers.azure.values import received, sent

STATE_VARIABLE = "SLM_REHEARSAL_AZURE"
"""Names the state directory: which simulated Azure this is."""

KUBECONFIG_VARIABLE = "SLM_REHEARSAL_KUBECONFIG"
"""Names the kubeconfig of the control plane; `kubeconfig` in the state directory without it."""

_KINDS = {
    ("add", False): provider_pb2.PropertyDiff.ADD,
    ("add", True): provider_pb2.PropertyDiff.ADD_REPLACE,
    ("delete", False): provider_pb2.PropertyDiff.DELETE,
    ("delete", True): provider_pb2.PropertyDiff.DELETE_REPLACE,
    ("update", False): provider_pb2.PropertyDiff.UPDATE,
    ("update", True): provider_pb2.PropertyDiff.UPDATE_REPLACE,
}


class AzureServicer(provider_pb2_grpc.ResourceProviderServicer):
    """One plugin process. The engine configures it once and then calls from many threads."""

    def __init__(self) -> None:
        self._provider: Provider | None = None
        self._kubeconfig = Path()

    def GetPluginInfo(self, request: Any, context: Any) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=sdk_version())

    def Attach(self, request: Any, context: Any) -> empty_pb2.Empty:
        return empty_pb2.Empty()

    def Cancel(self, request: Any, context: Any) -> empty_pb2.Empty:
        return empty_pb2.Empty()

    def CheckConfig(self, request: Any, context: Any) -> provider_pb2.CheckResponse:
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> provider_pb2.DiffResponse:
        return provider_pb2.DiffResponse()

    def Configure(self, request: Any, context: Any) -> provider_pb2.ConfigureResponse:
        state = os.environ.get(STATE_VARIABLE)
        if not state:
            context.abort(
                grpc.StatusCode.FAILED_PRECONDITION,
                f"this is the azure-native stand-in, and {STATE_VARIABLE} names no directory for its simulated Azure — "
                "run it by the rehearsal, or use the official plugin",
            )
        directory = Path(state or "")
        self._kubeconfig = Path(os.environ.get(KUBECONFIG_VARIABLE) or directory / "kubeconfig")
        location = request.variables.get("azure-native:config:location")
        try:
            own = request.variables.get("azure-native:config:subscriptionId")
            self._provider = Provider(Manager(directory, schema(), own), location)
        except ValueError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"{directory}/subscription.toml: {error}")
        # As azure-native: secrets reach it as plain values, and the engine marks what comes of them.
        return provider_pb2.ConfigureResponse(
            acceptSecrets=False, supportsPreview=True, supports_autonaming_configuration=True
        )

    def Check(self, request: Any, context: Any) -> provider_pb2.CheckResponse:
        proposed = None
        if request.HasField("autonaming"):
            disabled = request.autonaming.mode == provider_pb2.CheckRequest.AutonamingOptions.DISABLE
            proposed = "" if disabled else request.autonaming.proposed_name
        olds, news = received(request.olds), received(request.news)
        with _answering(context):
            inputs, failures = self._configured.check(
                request.type, request.urn, request.randomSeed, proposed, olds, news
            )
        found = [provider_pb2.CheckFailure(property=f.path, reason=f.reason) for f in failures]
        return provider_pb2.CheckResponse(inputs=sent(inputs), failures=found)

    def Diff(self, request: Any, context: Any) -> provider_pb2.DiffResponse:
        with _answering(context):
            found = self._configured.diff(request.type, received(request.old_inputs), received(request.news))
        if not found.changes:
            return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)
        detailed = {
            change.path: provider_pb2.PropertyDiff(kind=_KINDS[change.kind, change.replaces], inputDiff=True)
            for change in found.changes
        }
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME,
            diffs=sorted({change.path.partition(".")[0].partition("[")[0] for change in found.changes}),
            replaces=[change.path for change in found.changes if change.replaces],
            deleteBeforeReplace=found.delete_first,
            detailedDiff=detailed,
            hasDetailedDiff=True,
        )

    def Create(self, request: Any, context: Any) -> provider_pb2.CreateResponse:
        inputs = received(request.properties)
        with _answering(context, inputs):
            if request.preview:
                return provider_pb2.CreateResponse(properties=sent(self._configured.preview(request.type, inputs, {})))
            arm_id, outputs = self._configured.create(request.type, inputs)
        return provider_pb2.CreateResponse(id=arm_id, properties=sent(outputs))

    def Update(self, request: Any, context: Any) -> provider_pb2.UpdateResponse:
        inputs = received(request.news)
        with _answering(context, inputs):
            if request.preview:
                outputs = self._configured.preview(request.type, inputs, received(request.olds))
            else:
                outputs = self._configured.update(request.type, request.id, inputs)
        return provider_pb2.UpdateResponse(properties=sent(outputs))

    def Read(self, request: Any, context: Any) -> provider_pb2.ReadResponse:
        inputs = received(request.inputs) if request.HasField("inputs") and request.inputs.fields else None
        with _answering(context):
            found = self._configured.read(request.type, request.id, inputs, received(request.properties))
        if found is None:
            return provider_pb2.ReadResponse(id="")
        return provider_pb2.ReadResponse(id=request.id, inputs=sent(found[0]), properties=sent(found[1]))

    def Delete(self, request: Any, context: Any) -> empty_pb2.Empty:
        with _answering(context):
            self._configured.delete(request.type, request.id)
        return empty_pb2.Empty()

    def Invoke(self, request: Any, context: Any) -> provider_pb2.InvokeResponse:
        with _answering(context):
            answer = invoke(self._configured.manager, request.tok, received(request.args), self._kubeconfig)
        response = provider_pb2.InvokeResponse()
        # The field is called like a keyword of Python.
        getattr(response, "return").CopyFrom(sent(answer))
        return response

    @property
    def _configured(self) -> Provider:
        if self._provider is None:
            raise PluginError("the engine called the azure-native stand-in before it configured it")
        return self._provider


class _answering:
    """Turns what Azure or the plugin refuses into the status that the engine shows as one sentence."""

    def __init__(self, context: Any, inputs: dict[str, Any] | None = None) -> None:
        self.context, self.inputs = context, inputs or {}

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, at: Any) -> None:
        if isinstance(error, PartlyDone):
            self._partly_done(error)
        if isinstance(error, ArmError | PluginError):
            self.context.abort(grpc.StatusCode.UNKNOWN, str(error))

    def _partly_done(self, error: PartlyDone) -> NoReturn:
        detail = provider_pb2.ErrorResourceInitFailed(
            id=error.arm_id,
            properties=sent(error.outputs),
            inputs=sent(self.inputs),
            reasons=[str(error.cause)],
        )
        status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(error.cause))
        status.details.add().Pack(detail)
        self.context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        self.context.abort(grpc.StatusCode.UNKNOWN, str(error.cause))
        raise AssertionError("abort raises")
