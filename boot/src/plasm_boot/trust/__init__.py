"""Who may say what boots: the keys and roles of a TUF repository, its publishing, and what a client checks.

The specification is https://theupdateframework.github.io/specification/latest/; ``docs/boot-trust.md`` says what of it
is used, and for what.
"""
