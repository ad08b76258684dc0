"""The bill of materials of a bundle in CycloneDX: what is in it, in which version, under which digest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from ops.bundle.item import Item
from ops.bundle.loaded import BundledImage
from ops.bundle.weights import Form

Versioned = tuple[str, str]


def bill(
    stack: str,
    version: str,
    made: datetime,
    packages: Sequence[Item],
    tools: Mapping[str, Sequence[Item]],
    images: Mapping[str, BundledImage],
    contents: Mapping[str, Sequence[Versioned]],
    weights: Sequence[Form],
) -> str:
    """The document. `contents` are the distribution packages in the image of each role, as far as known."""
    parts = [_wheel(item) for item in packages]
    parts += [_tool(named, files) for named, files in tools.items()]
    parts += [_weights(form) for form in weights]
    for role, image in images.items():
        holds = [_debian(role, *one) for one in contents.get(role, ())]
        parts.append(_image(role, image, holds))
    return document(stack, version, made, parts)


def document(what: str, version: str, made: datetime, parts: Sequence[Component]) -> str:
    """The document of a bundle (`what` is its stack) or of a release, with its parts."""
    own = Component(name="slm-stacks", version=version, type=ComponentType.APPLICATION, bom_ref="slm-stacks")
    bom = Bom(serial_number=uuid5(NAMESPACE_URL, f"slm-stacks/{what}/{version}"))
    bom.metadata.timestamp, bom.metadata.component = made, own
    for part in parts:
        bom.components.add(part)
    bom.register_dependency(own, parts)
    return JsonV1Dot6(bom).output_as_string(indent=1) + "\n"


def _sha256(digest: str) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=digest)


def _wheel(item: Item) -> Component:
    file = item.name.rpartition("/")[2]
    name, version = file.split("-")[0].lower().replace("_", "-"), file.split("-")[1]
    return Component(
        name=name,
        version=version,
        type=ComponentType.LIBRARY,
        purl=PackageURL("pypi", None, name, version, qualifiers={"file_name": file}),
        hashes=[_sha256(item.member().sha256)],
        bom_ref=f"wheel/{file}",
    )


def _tool(named: str, files: Sequence[Item]) -> Component:
    name, version = named.split(" ", 1)
    held = [
        Component(
            name=item.name.rpartition("/")[2],
            type=ComponentType.FILE,
            hashes=[_sha256(item.member().sha256)],
            bom_ref=item.name,
        )
        for item in files
        if item.executable
    ]
    return Component(
        name=name,
        version=version,
        type=ComponentType.APPLICATION,
        purl=PackageURL("generic", None, name, version),
        components=held,
        bom_ref=f"tool/{name}",
    )


def _image(role: str, image: BundledImage, holds: Sequence[Component]) -> Component:
    name, _, version = (image.tags[0] if image.tags else role).rpartition(":")
    return Component(
        name=name or role,
        version=version or image.config[:12],
        type=ComponentType.CONTAINER,
        hashes=[_sha256(image.config)],
        properties=[Property(name="slm:layer", value=f"sha256:{layer}") for layer in image.layers],
        components=holds,
        bom_ref=f"image/{role}",
    )


def _debian(role: str, name: str, version: str) -> Component:
    return Component(
        name=name,
        version=version,
        type=ComponentType.LIBRARY,
        purl=PackageURL("deb", "debian", name, version),
        bom_ref=f"image/{role}/{name}",
    )


def _weights(form: Form) -> Component:
    made = LicenseFactory()
    return Component(
        name=form.model.name,
        version=form.pin,
        type=ComponentType.MACHINE_LEARNING_MODEL,
        licenses=[made.make_from_string(form.model.license)],
        components=[
            Component(
                name=file.path,
                type=ComponentType.FILE,
                hashes=[_sha256(file.sha256)] if file.sha256 else [],
                bom_ref=f"weights/{form.pin}/{file.path}",
            )
            for file in form.weights.files
        ],
        bom_ref=f"weights/{form.pin}",
    )
