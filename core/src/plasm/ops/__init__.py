"""What every long-running process and every command shares: log, service manager, metrics page, console, signals."""
