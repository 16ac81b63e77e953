"""The command line.  Each command is a module here, imported when it is typed."""
