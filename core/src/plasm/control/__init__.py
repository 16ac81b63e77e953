"""The control socket, by which programs of this machine ask its node and have jobs run (docs/control.md)."""
