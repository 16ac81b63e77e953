"""Stage 2: the verified system, from its initramfs to its first job.

``init`` is process 1 of the initramfs and uses the standard library only; ``hello`` runs later, in the full system.
"""
