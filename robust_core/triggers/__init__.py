"""Universal adversarial triggers (Wallace et al. 2019): one short phrase that, put beside any text, misleads a model."""
