"""The leaderboard: stored figures of all models under all attacks in one table, and a check of new entries."""
