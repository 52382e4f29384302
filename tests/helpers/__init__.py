"""What several test files share: stand-ins, small data, and steps of the app and the command line."""
