"""The Saliency page: both texts highlighted side by side, faithfulness, stored results."""
