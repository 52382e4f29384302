"""The Embeddings page: similarity of texts, a map of other texts, perturbation on a slider."""
