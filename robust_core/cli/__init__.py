"""The command line: one file a group of commands. They read options, call the engine and show what comes back."""
