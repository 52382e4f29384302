"""The Certified page: texts, digits, certified accuracy."""
