"""The tables and the figure of the FLAT paper."""
