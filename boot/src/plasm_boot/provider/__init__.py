"""The provider: a repository's files over HTTP for machines that boot, and its advertisement by discovery plugins.

From the inside out: :mod:`names` says what is served, :mod:`folder` opens it, :mod:`catalogue` lists what there is to
boot, :mod:`ranges` reads a Range header, :mod:`application` answers requests, :mod:`throttling` counts who may ask,
:mod:`connection` speaks HTTP, :mod:`serving` has the sockets, :mod:`advertising` the discoveries; :mod:`provider` puts
all of it together.  :mod:`descriptors` sees to it that the process may have as many files open as that takes.
"""
