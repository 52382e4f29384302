"""What all sessions of a server share: loaded models, caches, lists."""
