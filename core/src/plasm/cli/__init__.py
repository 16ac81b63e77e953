"""The command line: one module a command in ``commands``, imported when it is typed, and what they share beside it."""
