"""The Word importance page: its controls, the measurement, the plots."""
