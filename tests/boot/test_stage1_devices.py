"""Which drivers, file systems and links matter."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from plasm_boot.linux.fixed_address import FixedAddress
from plasm_boot.linux.superblocks import HEADER_BYTES, FileSystem, identify
from plasm_boot.stage1.devices import is_network_driver
from plasm_boot.stage1.network import dhcpcd_command, ipv6_addresses, name_servers


def test_a_driver_below_the_kernels_network_drivers_is_one() -> None:
    shown = [
        "insmod /lib/modules/6.1.0/kernel/net/core/failover.ko ",
        "insmod /usr/lib/modules/6.1.0/kernel/drivers/net/virtio_net.ko",
    ]
    assert is_network_driver(shown)
    assert not is_network_driver(["insmod /lib/modules/6.1.0/kernel/drivers/block/virtio_blk.ko"])


@pytest.mark.skipif(shutil.which("mformat") is None, reason="needs mtools")
def test_a_fat32_file_system_is_known_by_its_label(tmp_path: Path) -> None:
    image = tmp_path / "esp"
    command = ["mformat", "-C", "-F", "-T", "131072", "-v", "PHASE_ESP", "-N", "12345678", "-i", str(image), "::"]
    subprocess.run(command, check=True, capture_output=True)
    assert identify(image.read_bytes()[:HEADER_BYTES]) == FileSystem("vfat", "PHASE_ESP", "1234-5678")


@pytest.mark.skipif(shutil.which("mke2fs", path="/usr/sbin:/sbin:/usr/bin") is None, reason="needs e2fsprogs")
def test_an_ext4_file_system_is_known_by_label_and_uuid(tmp_path: Path) -> None:
    image = tmp_path / "state"
    identifier = "6f1b2a3c-0000-4000-8000-123456789abc"
    command = ["/sbin/mke2fs", "-q", "-t", "ext4", "-L", "PHASE_STATE", "-U", identifier, str(image), "8M"]
    subprocess.run(command, check=True, capture_output=True)
    assert identify(image.read_bytes()[:HEADER_BYTES]) == FileSystem("ext4", "PHASE_STATE", identifier)


@pytest.mark.parametrize("header", [b"", b"\0" * HEADER_BYTES, b"\xff" * HEADER_BYTES, b"\0" * 1080 + b"\x53\xef"])
def test_what_is_neither_is_passed_over(header: bytes) -> None:
    assert identify(header) in (None, FileSystem("ext4", "", "00000000-0000-0000-0000-000000000000"))


def test_name_servers_come_from_the_lease_and_from_router_advertisements() -> None:
    lease = (
        "reason=BOUND\ninterface=eth0\ndomain_name_servers='192.0.2.1 192.0.2.2'\nnd1_rdnss1_servers=2001:db8::1\n"
        "dhcp6_name_servers=192.0.2.1\nnew_domain_name_servers_=evil\ndomain_name_servers=$(reboot) 1.2.3\n"
    )
    assert name_servers(lease) == ["192.0.2.1", "192.0.2.2", "2001:db8::1"]


def test_addresses_of_the_link_alone_and_of_other_links_do_not_count() -> None:
    said = (
        "fe80000000000000742accfffe7d691a 02 40 20 80     eth0\n"
        "20010db8000000000000000000000007 02 40 00 80     eth0\n"
        "20010db8000000000000000000000008 03 40 00 80     wlan0\n"
        "00000000000000000000000000000001 01 80 10 80       lo\n"
    )
    assert list(ipv6_addresses(said, ["eth0"])) == ["2001:db8::7"]


def test_a_fixed_address_is_dhcpcds_to_set() -> None:
    command = dhcpcd_command("eth0", FixedAddress.parse("192.0.2.7/24,192.0.2.1,192.0.2.53"))
    assert command[-7:] == [
        "--static", "ip_address=192.0.2.7/24",
        "--static", "routers=192.0.2.1",
        "--static", "domain_name_servers=192.0.2.53",
        "eth0",
    ]  # fmt: skip
    assert command[command.index("--script") + 1] == ""


@pytest.mark.parametrize(
    "text", ["192.0.2.7/24", "192.0.2.7/24,192.0.2.1", "192.0.2.7/24,,192.0.2.53", "2001:db8::7/64"]
)
def test_a_fixed_address_is_handed_on_as_it_was_said(text: str) -> None:
    assert str(FixedAddress.parse(text)) == text
