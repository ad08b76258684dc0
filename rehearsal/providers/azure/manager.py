"""The simulated Resource Manager: creates, updates, reads and deletes resources as Azure would. Knows no Pulumi."""

from __future__ import annotations

import time
from pathlib import Path

from rehearsal.providers.azure import companions, deletion, faults, pools_file
from rehearsal.providers.azure.checks import check
from rehearsal.providers.azure.errors import ArmError, PartlyDone, PluginError, not_found
from rehearsal.providers.azure.faults import Fault, Operation
from rehearsal.providers.azure.outputs import answer
from rehearsal.providers.azure.outputs.context import Context
from rehearsal.providers.azure.request import Request
from rehearsal.providers.azure.schema import Schema
from rehearsal.providers.azure.secrets import digested
from rehearsal.providers.azure.store import Record, State, Store
from rehearsal.providers.azure.subscription import Subscription
from rehearsal.providers.azure.values import Properties
from rehearsal.providers.azure.writing import Writing

_HALF_DONE = ArmError(
    500, "ProvisioningFailed", "Provisioning failed half-way: the resource exists with provisioningState Failed."
)


class Manager:
    """Azure as one state directory has it. Calls may come from several threads and processes at once."""

    def __init__(self, directory: Path, schema: Schema, subscription: str | None = None) -> None:
        """`subscription` is the id that the provider is configured with, if it is."""
        self.store = Store(directory)
        self.schema = schema
        configured = {"subscription": subscription} if subscription else {}
        self.subscription = Subscription.read(directory).model_copy(update=configured)

    def create(self, resource_type: str, arm_id: str, inputs: Properties) -> Properties:
        """Make a resource and answer its outputs. Raises PartlyDone when it exists but failed."""
        fault = self._fault("create", resource_type, arm_id)
        with self.store.lock():
            if self.store.get(arm_id):
                # azure-native asks before it creates, so as not to take over what somebody else made.
                raise PluginError(f"cannot create already existing resource '{arm_id}'")
        return self._write(resource_type, arm_id, inputs, fault)

    def update(self, resource_type: str, arm_id: str, inputs: Properties) -> Properties:
        """Change a resource and answer its outputs. Raises PartlyDone when it failed half-way."""
        fault = self._fault("update", resource_type, arm_id)
        if not self.store.get(arm_id):
            raise not_found("ResourceNotFound", f"The Resource '{arm_id}' was not found.")
        return self._write(resource_type, arm_id, inputs, fault)

    def read(self, resource_type: str, arm_id: str) -> Properties | None:
        """The outputs of a resource, None when it is gone."""
        self._fault("read", resource_type, arm_id)
        record = self.store.get(arm_id)
        return companions.as_read(self.store, record) if record else None

    def delete(self, resource_type: str, arm_id: str) -> None:
        """Delete a resource and what lies in it; nothing happens when it is gone."""
        fault = self._fault("delete", resource_type, arm_id)
        with self.store.lock():
            deletion.check(self.store, arm_id)
        with self._writing(resource_type, arm_id):
            _pause(fault)
            with self.store.lock():
                deletion.delete(self.store, arm_id)
                pools_file.write(self.store)

    def _write(self, resource_type: str, arm_id: str, inputs: Properties, fault: Fault | None) -> Properties:
        slow, half_done = (fault is not None and fault.fault == kind for kind in ("slow", "half_done"))
        with self._writing(resource_type, arm_id):
            with self.store.lock():
                old = self.store.get(arm_id)
                request = Request(self.store, self.subscription, resource_type, arm_id, inputs, old)
                check(request)
                meanwhile: State = "Updating" if old else "Creating"
                # Who is stopped during a slow operation leaves behind what Azure has begun to make.
                record = self._put(request, old, "Failed" if half_done else meanwhile if slow else "Succeeded")
            if slow:
                _pause(fault)
                with self.store.lock():
                    record = self._put(request, record, "Succeeded")
        if half_done:
            raise PartlyDone(arm_id, record.outputs, _HALF_DONE)
        return companions.as_read(self.store, record)

    def _writing(self, resource_type: str, arm_id: str) -> Writing:
        return Writing(self.store, resource_type, arm_id, self.subscription.credential_seconds)

    def _put(self, request: Request, old: Record | None, state: State) -> Record:
        record = Record(
            id=request.arm_id,
            resource_type=request.resource_type,
            state=state,
            inputs=digested(request.resource_type, request.inputs),
        )
        if old:
            record = record.model_copy(update={"born": old.born})
        outputs = answer(self.schema, Context(request, record.born), state)
        record = record.model_copy(update={"outputs": outputs})
        self.store.put(record)
        if state == "Succeeded":
            companions.make(self.store, record)
        pools_file.write(self.store)
        return record

    def _fault(self, operation: Operation, resource_type: str, arm_id: str) -> Fault | None:
        """The fault that is due; those that are an answer are raised as one."""
        with self.store.lock():
            fault = faults.due(self.store, operation, resource_type, arm_id)
        if fault and (refusal := faults.refusal(fault, operation, arm_id)):
            raise refusal
        return fault


def _pause(fault: Fault | None) -> None:
    if fault and fault.fault == "slow":
        time.sleep(fault.seconds)
