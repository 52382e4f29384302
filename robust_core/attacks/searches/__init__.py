"""Search strategies that several attacks share: greedy, genetic, and their populations."""
