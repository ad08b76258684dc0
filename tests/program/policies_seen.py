"""What programs under mocks registered, as the resources that policies judge."""

from __future__ import annotations

from policies.finding import Resource
from policies.plain import plain
from tests.program.recorder import Recorder


def resources(recorder: Recorder) -> list[Resource]:
    """Every resource that is no provider and no component."""
    return [
        Resource(recorder.types[name], name, plain(inputs))
        for name, inputs in recorder.inputs.items()
        if not recorder.types[name].startswith(("pulumi:", "slm:"))
    ]
