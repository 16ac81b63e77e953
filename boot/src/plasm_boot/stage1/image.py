"""What the image tells stage 1, read from its initramfs once."""

from __future__ import annotations

from pathlib import Path

from attrs import evolve, frozen

from plasm_boot.settings import ROOT_METADATA, SETTINGS, ImageSettings
from plasm_boot.stage1.arguments import Arguments


@frozen
class Image:
    """The image's settings, and the root metadata of TUF that it trusts: the only thing that decides on trust."""

    settings: ImageSettings
    root: bytes

    @classmethod
    def read(cls, folder: Path = Path("/")) -> Image:
        """What is in the initramfs below ``folder``."""
        settings = ImageSettings.from_bytes((folder / SETTINGS).read_bytes())
        return cls(settings, (folder / ROOT_METADATA).read_bytes())

    def told(self, arguments: Arguments) -> ImageSettings:
        """The settings with what was said on the command line: another channel, more providers and peers."""
        providers = self.settings.providers + arguments.providers
        bootstrap = self.settings.bootstrap + arguments.bootstrap
        channel = arguments.channel or self.settings.channel
        return evolve(self.settings, channel=channel, providers=providers, bootstrap=bootstrap)
