"""The Certified page: proofs in words; distances of texts and digits; certified accuracy."""
