"""The contract of a runtime as tests: what :class:`plasm.contracts.Runtime` says, tried on modules made for it.

Each theme is a module here.  The tests run jobs as ``plasm run`` does, through an executor and its worker process, so
they hold for the runtime and for what is kept around it.
"""

from __future__ import annotations

from plasm.testing._cancelling import Cancelling
from plasm.testing._clocks import Clocks
from plasm.testing._description import Description
from plasm.testing._determinism import DeterministicJobs
from plasm.testing._endings import Endings
from plasm.testing._escapes import Escapes
from plasm.testing._folders import Folders
from plasm.testing._invocation import Invocations
from plasm.testing._lifetime import Lifetime
from plasm.testing._limits import LimitsKept
from plasm.testing._modules import RefusedModules


class RuntimeContract(
    Lifetime,
    RefusedModules,
    Cancelling,
    LimitsKept,
    Escapes,
    Folders,
    DeterministicJobs,
    Clocks,
    Endings,
    Invocations,
    Description,
):
    """What every runtime must do.  A subclass names its ``runtime``; pytest runs it, and so does
    ``plasm plugins check NAME``.

    A runtime need not be able to do everything: a job that needs what it does not provide, or a limit that it does not
    enforce, must be refused before it starts.  Such a test passes, and ``declared`` tells what was refused.

    ``vague_traps`` are kinds of traps that the runtime cannot tell from others: ``TrapKind.OTHER`` will do for them.
    """
