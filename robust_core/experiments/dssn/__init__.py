"""The table of the DSSN paper."""
