"""The errors of booting; like all of Plasm's, each has a stable code and says what to do next."""

from __future__ import annotations

from plasm.errors import InvalidInput, PlasmError


class InvalidBootManifest(InvalidInput):
    """Bytes that are not a boot manifest."""

    code = "invalid-boot-manifest"


class InvalidSystem(InvalidInput):
    """A built system that is not one: its description is wrong, or its files are not those that it describes."""

    code = "invalid-boot-system"


class Untrusted(PlasmError):
    """Something fetched that does not verify: a signature, a digest, a size, a version or a date."""

    code = "boot-untrusted"


class SourceFailed(PlasmError):
    """A provider or medium that does not give what was asked of it: it is silent, slow, incomplete or endless."""

    code = "boot-source-failed"


class NoProvider(PlasmError):
    """No provider was found that has a system which verifies."""

    code = "boot-no-provider"


class ToolMissing(PlasmError):
    """A program that building or emulating needs and that is not installed."""

    code = "boot-tool-missing"


class BuildFailed(PlasmError):
    """A step of a build that went wrong."""

    code = "boot-build-failed"
