"""Build Debian packages from this tree and the wheels that constraints.txt pins: ``build.py OUT``.

One package for each release of a distribution and each architecture, because compiled wheels are for one Python.  None
of them needs a network when it is installed.  docs/decisions/0010-debian-packages.md tells why they are cut like this.
The same tree and SOURCE_DATE_EPOCH (without it, the last commit's date) give the same bytes.
"""

from __future__ import annotations

import argparse
import email
import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
SITE = "usr/lib/plasm/site-packages"


@dataclass(frozen=True)
class Release:
    """A release of a distribution: how versions for it end, its Python, its C library, and where its units are."""

    name: str
    mark: str
    python: str
    glibc: str
    units: str


@dataclass(frozen=True)
class Architecture:
    """An architecture as Debian, as wheels, and as ELF headers call it."""

    name: str
    machine: str
    elf: int


@dataclass(frozen=True)
class Package:
    """One binary package: its distributions, and what its control file says beyond what all say."""

    name: str
    distributions: tuple[str, ...]
    depends: str
    summary: str
    description: str
    suggests: str = ""


RELEASES = (
    Release("bookworm", "deb12", "3.11", "2.36", "lib/systemd/system"),
    Release("noble", "ubuntu24.04", "3.12", "2.39", "usr/lib/systemd/system"),
)
ARCHITECTURES = (Architecture("amd64", "x86_64", 62), Architecture("arm64", "aarch64", 183))

# The first has what a node needs; each of the others what it adds to that.
PACKAGES = (
    Package(
        "plasm",
        (
            "plasm",
            "plasm-plugin-discovery-dht",
            "plasm-plugin-discovery-mdns",
            "plasm-plugin-runtime-wasmtime",
            "plasm-plugin-signing-ed25519",
            "plasm-plugin-transport-quic",
        ),
        "adduser, init-system-helpers (>= 1.54~), libc6 (>= {glibc}), libgcc-s1, libstdc++6, "
        "python3 (>= {python}), python3 (<< {next_python})",
        "run WebAssembly jobs in a sandbox and hold signed receipts",
        "Plasm runs a job, which is a WebAssembly module with arguments, input and\n"
        "limits, in a sandbox, and returns its result with a receipt: a signed\n"
        "statement of what ran, on what input, with what output, by whom.\n"
        "\n"
        "This package has the plasm command, and a service that offers this machine\n"
        "to peers, with the Wasmtime runtime, Ed25519 signing, the QUIC transport,\n"
        "and discovery by multicast DNS and by a distributed hash table.",
        suggests="plasm-runtime-wasmer",
    ),
    Package(
        "plasm-runtime-wasmer",
        ("plasm-plugin-runtime-wasmer",),
        "libc6 (>= {glibc}), libgcc-s1, plasm (= {version}), python3",
        "run Plasm jobs on the Wasmer runtime",
        "Plasm runs WebAssembly jobs in a sandbox and returns signed receipts.\n"
        "\n"
        "This package lets it run them on Wasmer as well: plasm --runtime wasmer run.",
    ),
)

# Dependencies that only developers of libp2p need.
EXCLUDED = ("mypy-protobuf", "types-protobuf", "types-requests")
# What some wheels bring along and no program imports: other projects' folders by mistake, tests, and sources.
LITTER = ("bin", "docs", "examples", "interop", "newsfragments", "tests", ".lock", "*-stubs", "stubs")
LITTER_ANYWHERE = ("*.c", "*.cpp", "*.h", "*.pxd", "*.pyi", "*.pyx", "tests", "test_data", "SelfTest", "__pycache__")
# What an installer writes about itself; it names folders of this machine.
INSTALLERS_NOTES = ("INSTALLER", "RECORD", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json")
LICENCES = ("LICEN[CS]E*", "licen[cs]es/**/*", "COPYING*", "NOTICE*", "AUTHORS*")


def run(*command: object, **environment: str) -> str:
    """Run a program, and return what it printed; what it complains about goes to stderr."""
    words = [str(word) for word in command]
    return subprocess.run(  # noqa: S603 - every program that this script starts is named in it
        words, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ | environment
    ).stdout


def uv(*arguments: object) -> None:
    """Run the uv that is installed beside this interpreter, or on the path."""
    beside = Path(sys.prefix) / "bin" / "uv"
    run(beside if beside.exists() else "uv", *arguments)


def build_wheels(folder: Path) -> list[Path]:
    """A wheel of every distribution of this tree."""
    constraints = ROOT / "constraints.txt"
    uv("build", "--quiet", "--all-packages", "--wheel", "--build-constraint", constraints, "--out-dir", folder)
    return sorted(folder.glob("*.whl"))


def install(wheels: list[Path], distributions: tuple[str, ...], to: Path, release: Release, arch: Architecture) -> None:
    """Unpack ``distributions`` and all that they need into the folder ``to``."""
    notes = wheels[0].parent
    override, excluded = notes / "overrides.txt", notes / "excluded.txt"
    workspace = tomllib.loads((ROOT / "pyproject.toml").read_text())
    override.write_text("\n".join(workspace["tool"]["uv"]["override-dependencies"]))
    excluded.write_text("\n".join(EXCLUDED))
    wanted = {name.replace("-", "_") for name in distributions}
    uv(
        *("pip", "install", "--quiet", "--target", to),
        *("--python-version", release.python),
        *("--python-platform", f"{arch.machine}-manylinux_{release.glibc.replace('.', '_')}"),
        *("--constraint", "constraints.txt", "--build-constraint", "constraints.txt"),
        *("--override", override, "--excludes", excluded, "--link-mode", "copy", "--no-sources"),
        *(wheel for wheel in wheels if wheel.name.partition("-")[0] in wanted),
    )


def tidy(site: Path) -> None:
    """Remove what no program imports, and what is different on each machine that builds."""
    unwanted = [path for pattern in LITTER for path in site.glob(pattern)]
    unwanted += [path for pattern in LITTER_ANYWHERE for path in site.rglob(pattern)]
    unwanted += [path for name in INSTALLERS_NOTES for path in site.glob(f"*.dist-info/{name}")]
    for path in unwanted:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def check_machine(site: Path, arch: Architecture) -> None:
    """Stop where something was compiled for another machine, as a source archive is that has no wheel."""
    for path in site.rglob("*"):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                head = file.read(20)
            if head[:4] == b"\x7fELF" and int.from_bytes(head[18:20], "little") != arch.elf:
                raise SystemExit(f"{path.relative_to(site)} is not for {arch.name}")


def take_copyright(site: Path) -> str:
    """The copyright file for what is in ``site``, with the licences' texts, which are then no longer there."""
    text = [
        "Plasm is Copyright the Plasm authors, under the Apache License, Version 2.0:",
        "on Debian systems it is in /usr/share/common-licenses/Apache-2.0.",
        "",
        f"Below /{SITE} are the modules of other projects,",
        "unchanged, each under its own licence:",
    ]
    for info in sorted(site.glob("*.dist-info"), key=lambda path: path.name.lower()):
        about = email.message_from_string((info / "METADATA").read_text())
        name, version = about["Name"], about["Version"]
        files = sorted({file for pattern in LICENCES for file in info.glob(pattern) if file.is_file()})
        if not name.startswith("plasm"):
            classified = [value for value in about.get_all("Classifier", []) if value.startswith("License ::")]
            licence = about["License-Expression"] or (about["License"] or "").split("\n")[0] or "; ".join(classified)
            text += ["", "=" * 72, f"{name} {version}: {licence or 'see its home page'}"]
            text += [f"Author: {about['Author'] or about['Author-email'] or 'see its metadata'}"]
            for file in files:
                text += ["", f"---- {file.relative_to(info)} ----", "", file.read_text(errors="replace").strip()]
        for file in files:
            file.unlink()
        shutil.rmtree(info / "licenses", ignore_errors=True)
    return "\n".join(text) + "\n"


def subtract(site: Path, base: Path) -> None:
    """Leave in ``site`` what is not in ``base``."""
    for path in sorted(site.rglob("*"), reverse=True):
        twin = base / path.relative_to(site)
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif twin.exists() or twin.is_symlink():
            path.unlink()


def write(path: Path, data: bytes | str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    path.chmod(mode)


def zipped(text: str) -> bytes:
    return gzip.compress(text.encode(), 9, mtime=0)


def maintainer() -> str:
    """Who makes the packages: as Debian's own tools have it, or else whoever made the last commit."""
    name, address = os.environ.get("DEBFULLNAME"), os.environ.get("DEBEMAIL")
    return f"{name} <{address}>" if name and address else run("git", "log", "-1", "--format=%an <%ae>").strip()


def lay_out(package: Package, root: Path, release: Release, version: str, epoch: int) -> None:
    """Everything of a package but its modules and its control file."""
    own = HERE / package.name
    documents = root / "usr/share/doc" / package.name
    write(documents / "copyright", take_copyright(root / SITE))
    entry = [
        f"{package.name} ({version}) {release.name}; urgency=medium",
        "",
        f"  * Plasm {version.partition('+')[0]}; CHANGELOG.md in its sources has what changed.",
        "",
        f" -- {maintainer()}  {formatdate(epoch)}",
    ]
    write(documents / "changelog.gz", zipped("\n".join(entry) + "\n"))
    write(root / "usr/share/lintian/overrides" / package.name, (own / "lintian-overrides").read_text())
    for script in ("postinst", "prerm", "postrm"):
        if (own / script).exists():
            write(root / "DEBIAN" / script, (own / script).read_bytes(), 0o755)
    if package.name == "plasm":
        write(root / "usr/bin/plasm", told_by_plasm("LAUNCHER", "plasm.service"), 0o755)
        write(root / "usr/share/man/man1/plasm.1.gz", zipped((own / "plasm.1").read_text()))
        write(root / release.units / "plasmd.service", told_by_plasm("unit()", "plasm.service"))
        write(root / "etc/plasm/config.toml", told_by_plasm("default_file()", "plasm.config.reference"))
        write(root / "DEBIAN/conffiles", "/etc/plasm/config.toml\n")


def told_by_plasm(what: str, where: str) -> str:
    """The text that an expression of a module of this tree gives."""
    source = f"import sys; sys.path.insert(0, {str(ROOT / 'core/src')!r}); "
    return run(sys.executable, "-c", source + f"import {where} as here; print(here.{what}, end='')")


def assemble(
    package: Package, root: Path, out: Path, release: Release, arch: Architecture, version: str, epoch: int, effort: int
) -> Path:
    """Write control file and sums for what lies in ``root``, and make the package of it."""
    files = [path for path in sorted(root.rglob("*")) if path.is_file() and root / "DEBIAN" not in path.parents]
    major, _, minor = release.python.partition(".")
    depends = package.depends.format(
        glibc=release.glibc, python=release.python, next_python=f"{major}.{int(minor) + 1}", version=version
    )
    fields = {
        "Package": package.name,
        "Version": version,
        "Architecture": arch.name,
        "Maintainer": maintainer(),
        "Section": "net",
        "Priority": "optional",
        "Installed-Size": str(sum((path.lstat().st_size + 1023) // 1024 for path in files)),
        "Depends": depends,
        "Suggests": package.suggests,
        "Description": package.summary + "".join(f"\n {line or '.'}" for line in package.description.splitlines()),
    }
    write(root / "DEBIAN/control", "".join(f"{key}: {value}\n" for key, value in fields.items() if value))
    sums = [f"{hashlib.md5(p.read_bytes()).hexdigest()}  {p.relative_to(root)}\n" for p in files]  # noqa: S324
    write(root / "DEBIAN/md5sums", "".join(line for line in sums if not line.split("  ")[1].startswith("etc/")))
    for path in [root, *root.rglob("*")]:
        if path.is_dir():
            path.chmod(0o755)
        elif (root / SITE) in path.parents:
            path.chmod(0o644)
        os.utime(path, (epoch, epoch))
    out.mkdir(parents=True, exist_ok=True)
    deb = out / f"{package.name}_{version}_{arch.name}.deb"
    compression = ("-Zxz", f"-z{effort}") if effort else ("-Zgzip", "-z1")
    run("dpkg-deb", "--root-owner-group", *compression, "-b", root, deb, SOURCE_DATE_EPOCH=str(epoch))
    return deb


def build(out: Path, releases: list[str], architectures: list[str], effort: int) -> Iterator[Path]:
    """Build every package for every one of these releases and architectures."""
    given = os.environ.get("SOURCE_DATE_EPOCH") or run("git", "log", "-1", "--format=%ct")
    epoch = int(given)
    os.environ["SOURCE_DATE_EPOCH"] = str(epoch)  # for the wheels, too
    number = tomllib.loads((ROOT / "core/pyproject.toml").read_text())["project"]["version"]
    with tempfile.TemporaryDirectory(prefix="plasm-deb-") as temporary:
        wheels = build_wheels(Path(temporary) / "wheels")
        for release in (each for each in RELEASES if each.name in releases):
            version = f"{number}+{release.mark}"
            for arch in (each for each in ARCHITECTURES if each.name in architectures):
                folder = Path(temporary) / f"{release.name}-{arch.name}"
                pristine = folder / "base"
                for package in PACKAGES:
                    root = folder / package.name
                    base = () if package is PACKAGES[0] else PACKAGES[0].distributions
                    install(wheels, (*base, *package.distributions), root / SITE, release, arch)
                    if package is PACKAGES[0]:
                        shutil.copytree(root / SITE, pristine, symlinks=True)
                    else:
                        subtract(root / SITE, pristine)
                    tidy(root / SITE)
                    check_machine(root / SITE, arch)
                    lay_out(package, root, release, version, epoch)
                    yield assemble(package, root, out, release, arch, version, epoch, effort)
                shutil.rmtree(folder)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("out", type=Path)
    parser.add_argument("--release", action="append", choices=[each.name for each in RELEASES])
    parser.add_argument("--arch", action="append", choices=[each.name for each in ARCHITECTURES])
    parser.add_argument("--effort", type=int, default=6, help="how hard to compress, 1 to 9; 0 is for tests")
    asked = parser.parse_args()
    releases = asked.release or [each.name for each in RELEASES]
    architectures = asked.arch or [each.name for each in ARCHITECTURES]
    for deb in build(asked.out.resolve(), releases, architectures, asked.effort):
        sys.stdout.write(f"{deb} ({deb.stat().st_size / 1e6:.1f} MB)\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
