"""Test suites: limits that a model must keep, each with a verdict that a confidence bound supports."""
