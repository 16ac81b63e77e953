"""What the kernel's command line says to stage 1."""

from __future__ import annotations

import pytest

from plasm_boot.errors import BootArgumentInvalid
from plasm_boot.stage1.arguments import Arguments


def test_what_others_say_to_others_is_passed_over() -> None:
    assert Arguments.parse("BOOT_IMAGE=/vmlinuz root=/dev/sda1 quiet console=ttyS0 phaseless.mode=x") == Arguments()


def test_providers_and_peers_may_be_repeated_and_the_last_mode_counts() -> None:
    said = Arguments.parse(
        "phase.mode=local phase.provider=http://10.0.2.2:8380 quiet phase.mode=internet "
        'phase.provider="https://boot.example.org/plasm" phase.channel=testing phase.debug=1 '
        "phase.bootstrap=/dns/example.org/tcp/4001/p2p/12D3KooWSDRoAeQFhhdzRqYPRZRuuPuimSQjjw47sFXjPe6NQBMn"
    )
    assert said.mode == "internet"
    assert said.channel == "testing"
    assert said.providers == ("http://10.0.2.2:8380", "https://boot.example.org/plasm")
    assert said.bootstrap == ("/dns/example.org/tcp/4001/p2p/12D3KooWSDRoAeQFhhdzRqYPRZRuuPuimSQjjw47sFXjPe6NQBMn",)
    assert said.debug


@pytest.mark.parametrize(
    ("text", "address", "gateway", "dns"),
    [
        ("192.0.2.7/24", "192.0.2.7/24", "None", "None"),
        ("192.0.2.7/24,192.0.2.1", "192.0.2.7/24", "192.0.2.1", "None"),
        ("192.0.2.7/24,,192.0.2.53", "192.0.2.7/24", "None", "192.0.2.53"),
        ("2001:db8::7/64,,2001:db8::53", "2001:db8::7/64", "None", "2001:db8::53"),
    ],
)
def test_an_address_can_be_fixed(text: str, address: str, gateway: str, dns: str) -> None:
    fixed = Arguments.parse(f"phase.ip={text}").address
    assert fixed is not None
    assert (str(fixed.address), str(fixed.gateway), str(fixed.dns)) == (address, gateway, dns)


@pytest.mark.parametrize(
    "argument",
    [
        "phase.ip=192.0.2.7",
        "phase.ip=192.0.2.7/33",
        "phase.ip=192.0.2.7/24,a,b,c",
        "phase.ip=",
        "phase.ip=2001:db8::7/64,fe80::1",
        "phase.ip=192.0.2.7/24,fe80::1",
        "phase.mode=../etc",
        "phase.channel=Stable",
        "phase.provider=ftp://10.0.2.2/",
        "phase.provider=http://",
        "phase.bootstrap=example.org:4001",
        "phase.bootstrap=/dns/example.org/tcp/4001/p2p/12D3KooWA",
        "phase.bootstrap",
    ],
)
def test_one_that_says_nothing_is_named(argument: str) -> None:
    with pytest.raises(BootArgumentInvalid, match=argument.partition("=")[0]):
        Arguments.parse(f"quiet {argument} console=ttyS0")
