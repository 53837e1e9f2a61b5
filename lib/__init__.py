"""Can you trust a saliency map? The library behind the notebooks."""
