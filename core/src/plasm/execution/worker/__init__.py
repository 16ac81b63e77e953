"""The worker's side: a process with one warm runtime that runs one job at a time."""
