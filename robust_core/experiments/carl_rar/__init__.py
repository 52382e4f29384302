"""The tables of the CARL and RAR paper."""
