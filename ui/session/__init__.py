"""What one browser session has chosen, attacked and found."""
