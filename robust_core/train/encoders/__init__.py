"""The training of sentence encoders: networks, losses, perturbations and their loop."""
