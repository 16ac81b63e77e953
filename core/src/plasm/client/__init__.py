"""The side that has a job and wants its result, verified."""
