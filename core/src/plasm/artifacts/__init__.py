"""Bytes named by their digest: modules as users give them, compiled modules as a runtime keeps them."""
