# Every target works in a fresh clone: what it needs is set up first, in .venv, and only once.

PYTHON ?= python3
VENV := .venv
UV := $(VENV)/bin/uv
PLASM := $(VENV)/bin/plasm
READY := $(VENV)/.ready
MEMBERS := core $(wildcard plugins/*) boot
GUESTS := core/src/plasm/testing/guests
CONSTRAINTS := --constraint constraints.txt --build-constraint constraints.txt

# Byte code makes every start several times faster: have it written whatever the caller's habits are.
unexport PYTHONDONTWRITEBYTECODE PYTHONHOME PYTHONPATH
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
export UV_PYTHON_DOWNLOADS := never

# uv gives up on a version whose first candidate fails, as pyenv's shims do for versions that are not switched on.
# So it gets to see the interpreters behind the shims first.
TOX := PATH="$$(printf '%s:' "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.1[123].*/bin)$$PATH" $(VENV)/bin/tox

.DEFAULT_GOAL := help
.PHONY: help demo boot-demo arm64-demo test test-slow lint type format bench bench-boot soak fuzz breadth interop examples examples-check guests guests-check wheels deb apt reference diagrams lock system clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /  \1\t/p' Makefile | expand -t 18

demo: $(READY) ## Run a job here, and one on a peer; keep their signed receipts and verify them
	@mkdir -p build
	$(PLASM) run examples/hello/hello.wasm "Hello, World" --receipt build/hello.receipt.json
	$(PLASM) verify build/hello.receipt.json --module examples/hello/hello.wasm --signer "$$($(PLASM) identity)"
	@echo; echo "In plain words: this machine, which signs as $$($(PLASM) identity)," \
	    && echo "ran examples/hello/hello.wasm in a sandbox; build/hello.receipt.json says so, and its signature holds."
	@echo; echo "Now two nodes, and the same job on one of them, over QUIC:"
	@examples/two-nodes.sh build/two-nodes

boot-demo: $(READY) ## Boot an emulated machine into Plasm, from keys to a verified receipt; needs what TEST_PACKAGES names
	@$(HAVE_TEST_PACKAGES) || { $(call APT_INSTALL,$(TEST_PACKAGES)); } >/dev/null || { \
	    echo "boot-demo needs these packages, please install them: $(TEST_PACKAGES)" >&2; exit 1; }
	@examples/boot-demo.sh

arm64-demo: $(READY) ## Send jobs to an emulated arm64 machine and back; needs what ARM64_PACKAGES names besides
	@$(HAVE_ARM64_PACKAGES) || { $(call APT_INSTALL,$(TEST_PACKAGES) $(ARM64_PACKAGES)); } >/dev/null || { \
	    echo "arm64-demo needs these packages, please install them: $(TEST_PACKAGES) $(ARM64_PACKAGES)" >&2; exit 1; }
	@examples/two-architectures.sh

test: $(READY) ## Lint, check types and run the tests on each Python from 3.11 to 3.13 that is here
	@$(HAVE_TEST_PACKAGES) || { $(call APT_INSTALL,$(TEST_PACKAGES)); } >/dev/null 2>&1 || \
	    echo "going on without some tests, which need system packages of $(TEST_PACKAGES)"
	@if $(BREADTH_SOURCES); then $(MAKE) --no-print-directory breadth; fi
	@$(INTEROP_PACKAGES) || true
	@$(TOX) run $(ARGS)

test-slow: $(READY) ## Run the tests that take many minutes, which make test leaves out
	@$(HAVE_ARM64_PACKAGES) || { $(call APT_INSTALL,$(TEST_PACKAGES) $(ARM64_PACKAGES)); } >/dev/null 2>&1 || \
	    echo "going on without some tests, which need system packages of $(TEST_PACKAGES) $(ARM64_PACKAGES)"
	@$(TOX) run -e slow $(ARGS)

lint: $(READY) ## Check style
	@$(TOX) run -q -e lint

type: $(READY) ## Check types
	@$(TOX) run -q -e type

format: $(READY) ## Mend what of the style can be mended
	$(VENV)/bin/ruff check --fix --exit-zero .
	$(VENV)/bin/ruff format .

bench: $(READY) ## Measure
	$(VENV)/bin/python bench/run.py
	$(VENV)/bin/python bench/transport.py
	$(VENV)/bin/python bench/mesh.py
	$(VENV)/bin/python bench/submit.py
	$(VENV)/bin/python bench/discovery.py

# The image of boot-demo, and a port on which nothing else is served.
bench-boot: boot-demo ## Measure sizes and boot times against a bare kernel with busybox, after boot-demo
	$(VENV)/bin/python bench/boot.py build/boot-demo/build build/boot-demo/repo 8380

soak: $(READY) ## Keep a node under load for an hour (SOAK_SECONDS); fails where it grows
	@$(VENV)/bin/python bench/soak.py

# Fails where apt cannot give the sources, after saying why; `make test` goes on without these programs then.
BREADTH_SOURCES := $(VENV)/bin/python tests/breadth/sources.py build/breadth/sources

FUZZ_SECONDS ?= 600
fuzz: $(READY) ## Fuzz what peers can send us, for ten minutes; what is found stays in tests/mesh/corpus
	@$(UV) pip install --quiet $(CONSTRAINTS) --group fuzz
	$(VENV)/bin/python tests/mesh/fuzz.py tests/mesh/corpus -max_total_time=$(FUZZ_SECONDS) -max_len=65536

breadth: $(READY) ## Build well-known C programs for the tests in tests/breadth, from Debian's sources
	@$(BREADTH_SOURCES)
	@$(UV) pip install --quiet $(CONSTRAINTS) --group examples
	@$(MAKE) --no-print-directory --jobs="$$(nproc)" -C build/breadth -f ../../tests/breadth/Makefile \
	    PYTHON='$(CURDIR)/$(VENV)/bin/python'

# As forgiving in `make test`: without Node or npm's packages it goes on without the tests in tests/interop.
INTEROP_PACKAGES := $(VENV)/bin/python tests/interop/install.py build/interop

interop: $(READY) ## Install js-libp2p for the tests in tests/interop, which need Node and npm
	@$(INTEROP_PACKAGES)

examples: $(READY) ## Build the example modules from their sources
	@$(UV) pip install --quiet $(CONSTRAINTS) --group examples
	@$(MAKE) --no-print-directory -C examples PYTHON=../$(VENV)/bin/python

examples-check: $(READY) ## Check that the committed example modules are what their sources give
	@$(UV) pip install --quiet $(CONSTRAINTS) --group examples
	@$(MAKE) --no-print-directory -C examples PYTHON=../$(VENV)/bin/python check

guests: $(READY) ## Build the modules of the contract kits from their sources
	@$(UV) pip install --quiet $(CONSTRAINTS) --group examples
	@$(MAKE) --no-print-directory -C $(GUESTS) PYTHON=$(CURDIR)/$(VENV)/bin/python

guests-check: $(READY) ## Check that the committed modules of the contract kits are what their sources give
	@$(UV) pip install --quiet $(CONSTRAINTS) --group examples
	@$(MAKE) --no-print-directory -C $(GUESTS) PYTHON=$(CURDIR)/$(VENV)/bin/python check

wheels: $(READY) ## Build a wheel and a source archive of every distribution into dist/
	$(UV) build --all-packages --build-constraint constraints.txt --out-dir dist
	$(UV) tool run --quiet 'twine>=7,<8' check --strict dist/*.whl dist/*.tar.gz

DEB := $(VENV)/bin/python packaging/debian
deb: $(READY) ## Build Debian packages for each release and architecture that we know, into dist/deb
	@$(DEB)/build.py dist/deb $(ARGS)

apt: deb ## Make a signed APT repository of them in dist/apt; PLASM_APT_KEY=ID is the key, else one for this once
	@$(DEB)/repository.py dist/deb dist/apt

reference: $(READY) ## Write the reference of the configuration, docs/configuration.md
	$(VENV)/bin/python -c 'from plasm.config.reference import page; print(page(), end="")' > docs/configuration.md

diagrams: $(READY) ## Draw the states of the protocols from their tables, in docs/states.md
	$(VENV)/bin/python docs/states.py

# Names of the workspace's own distributions stay out: they are not pinned, they are here.
lock: $(READY) ## Pin the newest releases of all that is installed, in constraints.txt
	$(UV) pip compile --universal --python-version 3.11 --upgrade --quiet --custom-compile-command "make lock" \
	    --group dev --group examples --group fuzz --output-file constraints.txt \
	    $(foreach member,$(MEMBERS),--no-emit-package $(shell sed -n 's/^name = "\(.*\)"/\1/p' $(member)/pyproject.toml))

clean: ## Remove all that was built or installed here
	rm -rf $(VENV) .tox .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
	find $(MEMBERS) tests -name __pycache__ -prune -exec rm -rf {} +

# ---- Setting up ----

# A fresh Debian or Ubuntu has a python3 that cannot make virtual environments.
SYSTEM_PACKAGES := python3-venv
HAVE_SYSTEM_PACKAGES := $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null

# Some tests are skipped without these: they lay cables between network namespaces with iproute2 and put routers there
# with nftables, try the PHP SDK, install Debian packages in a Debian made for it, or build and boot images in QEMU.
TEST_PACKAGES := iproute2 nftables php-cli phpunit composer mmdebstrap lintian apt-utils gpg gpg-agent \
	qemu-system-x86 qemu-utils ovmf mtools squashfs-tools cryptsetup-bin fdisk e2fsprogs zstd kmod cpio dnsmasq-base \
	busybox-static
HAVE_TEST_PACKAGES := (PATH="$$PATH:/usr/sbin:/sbin"; for command in ip nft php phpunit composer mmdebstrap \
	lintian apt-ftparchive gpg gpg-agent qemu-system-x86_64 qemu-img mformat mksquashfs veritysetup sfdisk mke2fs \
	zstd depmod cpio dnsmasq; do command -v $$command >/dev/null || exit 1; done; test -d /usr/share/OVMF)

# What it takes besides to build systems for arm64 here, and to boot them.
ARM64_PACKAGES := qemu-system-arm qemu-user-static arch-test
HAVE_ARM64_PACKAGES := $(HAVE_TEST_PACKAGES) && (for command in qemu-system-aarch64 qemu-aarch64-static arch-test; do \
	command -v $$command >/dev/null || exit 1; done)

# As root or by a sudo that asks nothing; fails where neither may.
APT_INSTALL = if ! command -v apt-get >/dev/null; then root=false; \
	elif [ "$$(id -u)" = 0 ]; then root=env; \
	elif sudo -n true 2>/dev/null; then root='sudo -n env'; \
	else root=false; fi; \
	apt="$$root DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::http::Timeout=20 -o Acquire::Retries=1"; \
	$$apt update && $$apt install --yes --no-install-recommends $(1)

system: ## Install the system packages that are needed (Debian, Ubuntu; as root or by a sudo that asks nothing)
	@{ $(call APT_INSTALL,$(SYSTEM_PACKAGES)); } || \
	{ echo "Plasm needs these system packages, please install them: $(SYSTEM_PACKAGES)" >&2; exit 1; }

# uv installs in seconds what pip takes a minute for; pip only brings uv.
$(UV):
	@$(PYTHON) -c 'import sys; sys.exit("Plasm needs Python 3.11 or newer; name one: make PYTHON=python3.13" if sys.version_info < (3, 11) else 0)'
	@$(HAVE_SYSTEM_PACKAGES) || $(MAKE) --no-print-directory system
	@echo "Setting up $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv

$(READY): pyproject.toml constraints.txt $(MEMBERS:%=%/pyproject.toml) | $(UV)
	@echo "Installing Plasm and its development tools into $(VENV)"
	@$(UV) pip install --quiet $(CONSTRAINTS) --group dev --compile-bytecode
	@$(VENV)/bin/python -m compileall -q $(MEMBERS:%=%/src)
	@touch $@
