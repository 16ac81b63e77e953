"""Builds what machines boot, without root and without loop devices.

``debian`` and ``wheels`` fetch; ``rootfs``, ``stage1`` and ``stage2`` say what goes where, as Contents; ``archives``,
``squashfs`` and ``image`` write it down; ``builder`` puts it in order.  The same inputs and the same SOURCE_DATE_EPOCH
give the same bytes.
"""
