"""The Leaderboard page: all stored figures of models under attack, filtered, drawn, and measured again."""
