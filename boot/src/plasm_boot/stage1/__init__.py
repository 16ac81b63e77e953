"""Stage 1: what runs first on a machine.  It finds a system, verifies it, and has the kernel boot into it.

``boot`` is the course of it, from top to bottom; ``init`` is process 1 around it.
"""
