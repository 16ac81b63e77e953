"""The boot modes that come with Plasm, each a plugin of the kind ``plasm.boot_mode``.

A mode is a choice of plugins and a policy, nothing else: one that another distribution provides is built, booted and
listed in the menu in the same way.
"""
