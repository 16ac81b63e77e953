"""The bill of materials of a system, in CycloneDX: wheels, Debian packages and kernel modules, and where each is.

https://cyclonedx.org/specification/overview/
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import UTC
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import NAMESPACE_URL, uuid5

from plasm_boot.building.contents import Contents, plain_size, regular
from plasm_boot.building.debian import SUITE, Debian
from plasm_boot.building.wheels import Wheelhouse
from plasm_boot.composition.composing import Composition
from plasm_boot.composition.distributions import Wheel
from plasm_boot.system import System

if TYPE_CHECKING:
    from cyclonedx.model.component import Component

_MODULE: Final = ".ko"
_MODULE_LICENCE: Final = re.compile(rb"\0license=([^\0]*)\0")


def write(
    path: Path,
    composition: Composition,
    debian: Debian,
    parts: Mapping[str, Contents],
    system: System,
    house: Wheelhouse,
) -> None:
    """Write the bill of the ``parts`` of ``system`` to ``path``."""
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot6

    files = system.files
    whole = Component(
        name=f"phase-{system.mode}",
        version=f"{system.built_at:%Y%m%d%H%M%S}",
        type=ComponentType.OPERATING_SYSTEM,
        bom_ref=f"phase-{system.mode}",
    )
    components = [
        *(_file(each.name, each.sha256, each.size) for each in (files.kernel, files.initramfs, files.rootfs)),
        *(_wheel(wheel, composition, house) for wheel in composition.rootfs_wheels),
        *_packages(debian),
        *_modules(parts),
    ]
    bom = Bom(
        components=components,
        serial_number=uuid5(NAMESPACE_URL, files.rootfs.sha256 + files.initramfs.sha256),
        metadata=BomMetaData(component=whole, timestamp=system.built_at.astimezone(UTC)),
    )
    bom.register_dependency(whole, components)
    path.write_text(JsonV1Dot6(bom).output_as_string(indent=1) + "\n")


def _wheel(wheel: Wheel, composition: Composition, house: Wheelhouse) -> Component:
    from packageurl import PackageURL

    contents = house.contents(wheel)
    stages = "stage 1, rootfs" if wheel in composition.stage1_wheels else "rootfs"
    about = metadata.distribution(wheel.name).metadata
    fields = about.json
    licence = str(fields.get("license_expression") or fields.get("license") or "").split("\n")[0]
    classified = [text.rpartition("::")[2].strip() for text in about.get_all("Classifier") or () if "License" in text]
    return _component(
        wheel.name,
        wheel.version,
        [licence] if licence else classified,
        size=plain_size(contents),
        sha256=_digest(contents),
        purl=PackageURL("pypi", None, wheel.name, wheel.version),
        stages=stages,
    )


def _packages(debian: Debian) -> Iterable[Component]:
    from packageurl import PackageURL

    for package in debian.packages:
        purl = PackageURL("deb", "debian", package.name, package.version, {"arch": debian.arch.debian, "distro": SUITE})
        yield _component(package.name, package.version, package.licences, size=package.size, purl=purl)


def _modules(parts: Mapping[str, Contents]) -> Iterable[Component]:
    where: dict[str, list[str]] = {}
    for part, contents in parts.items():
        for path in contents:
            if path.endswith(_MODULE):
                where.setdefault(path, []).append(part)
    for path, stages in sorted(where.items()):
        data = parts[stages[0]][path].read()
        licences = [match.decode(errors="replace") for match in _MODULE_LICENCE.findall(data)]
        yield _component(
            path.rpartition("/")[2],
            path.split("/")[3],
            licences,
            size=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            stages=", ".join(stages),
        )


def _file(name: str, sha256: str, size: int) -> Component:
    return _component(name, "", (), size=size, sha256=sha256)


def _component(
    name: str,
    version: str,
    licences: Iterable[str],
    *,
    size: int,
    sha256: str | None = None,
    purl: object = None,
    stages: str | None = None,
) -> Component:
    from cyclonedx.model import HashAlgorithm, HashType, Property
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.license import DisjunctiveLicense

    said = {"phase:size": str(size), "phase:stages": stages}
    return Component(
        name=name,
        version=version or None,
        type=ComponentType.LIBRARY if purl else ComponentType.FILE,
        bom_ref=str(purl) if purl else name,
        licenses=[DisjunctiveLicense(name=text) for text in dict.fromkeys(licences)],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=sha256)] if sha256 else (),
        purl=purl,  # type: ignore[arg-type]
        properties=[Property(name=key, value=value) for key, value in said.items() if value],
    )


def _digest(contents: Contents) -> str:
    """One SHA-256 of all files: of lines as sha256sum prints them, in the order of their paths."""
    lines = (f"{hashlib.sha256(entry.read()).hexdigest()}  {path}\n" for path, entry in sorted(regular(contents)))
    return hashlib.sha256("".join(lines).encode()).hexdigest()
