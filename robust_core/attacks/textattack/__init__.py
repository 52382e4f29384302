"""TextAttack's own recipes on our models, in a process of their own."""
