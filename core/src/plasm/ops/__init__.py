"""What commands and processes that run long share, the node's, a provider's and those of other distributions alike.

* ``console``: one JSON document on stdout for programs, sentences on stderr for people.
* ``running``, ``concurrency``: from a command into anyio; task groups whose errors come out as they are.
* ``accepting``: connections, also where the process is out of descriptors for a while.
* ``signals``: Ctrl-C and a polite kill for a command that has one job running.
* ``log``: one line an event, JSON unless somebody watches; what libraries warn of, too.
* ``metrics_page``: ``/metrics`` over HTTP on a loopback address.
* ``service_manager``: telling systemd how this process is.

Nothing here knows what a job, a peer or a plugin is.
"""
