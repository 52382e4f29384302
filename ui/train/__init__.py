"""The Train page: its form and the progress of a training."""
