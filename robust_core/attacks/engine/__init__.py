"""The engine under every attack: requests, the scheduler that batches them, and the servers that answer."""
