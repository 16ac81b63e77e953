"""The errors of booting; like all of Plasm's, each has a stable code and says what to do next."""

from __future__ import annotations

from plasm.errors import ExitStatus, InvalidInput, PlasmError


class InvalidBootManifest(InvalidInput):
    """Bytes that are not a boot manifest."""

    code = "invalid-boot-manifest"


class InvalidSystem(InvalidInput):
    """A built system that is not one: its description is wrong, or its files are not those that it describes."""

    code = "invalid-boot-system"


class InvalidRepository(InvalidInput):
    """A folder that is no repository, or one that is damaged or was signed with other keys."""

    code = "invalid-boot-repository"


class InvalidKeys(InvalidInput):
    """A folder of keys that lacks what is needed, or root metadata that does not hold."""

    code = "invalid-boot-keys"


class KeysExist(InvalidInput):
    """Keys are there already and would be lost."""

    code = "boot-keys-exist"


class RootIncomplete(PlasmError):
    """Root metadata that not enough of the root keys have signed yet."""

    code = "boot-root-incomplete"


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


class BootArgumentInvalid(InvalidInput):
    """Something on the kernel's command line that cannot be used."""

    code = "boot-argument-invalid"


class NoNetwork(PlasmError):
    """A machine without a wired link that works, or without an address at one."""

    code = "boot-no-network"


class MediumMissing(PlasmError):
    """A medium with the system of a mode that boots from its own, and that is not to be found or read."""

    code = "boot-medium-missing"


class HandoverFailed(PlasmError):
    """A verified system that this machine's kernel cannot boot into."""

    code = "boot-handover-failed"


class DeviceRefused(PlasmError):
    """A device that an image is not written to: it is in use, too small, or perhaps somebody's disk."""

    code = "boot-device-refused"
    exit_status = ExitStatus.REFUSED
