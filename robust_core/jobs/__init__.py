"""Background work: threads, child processes and their progress."""
