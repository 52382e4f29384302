"""Lessons: one YAML file each, read and checked; what a learner answered, and its writing in a link."""
