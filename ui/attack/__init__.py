"""The Attack page: examples, live cards, comparison table, replay, downloads, permalinks."""
