"""The Models page: cards of models and stored figures."""
