"""The Lessons page: a guided lesson step by step, predictions and what came of them, a view for the projector."""
