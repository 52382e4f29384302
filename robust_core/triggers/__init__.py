"""Universal adversarial triggers (Wallace et al. 2019): one short phrase that misleads a model beside any text."""
