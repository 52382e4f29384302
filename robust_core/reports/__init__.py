"""Reports: what the store holds of a run, and what follows from it, as one page that needs nothing from outside."""
