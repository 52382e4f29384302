"""The About page: the methods in plain words, and the terms of the field."""
