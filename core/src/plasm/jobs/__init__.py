"""A job and what comes of it: input, output, cancellation, report; runs nothing."""
