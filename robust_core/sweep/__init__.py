"""Sweeps: models x attacks x data in shards, which processes or a cluster work on; one process alone stores."""
