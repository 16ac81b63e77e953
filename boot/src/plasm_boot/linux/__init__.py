"""What both stages ask of the kernel, one idea a module.

The standard library only, and nothing else of ours: stage 2's initramfs holds this package, ``stage2``, and no wheel.
"""
