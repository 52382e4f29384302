"""The Saliency page: heat strips of both texts, faithfulness, stored results."""
