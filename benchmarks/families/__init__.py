"""Encoders of many families, small: whether their scores are exact, and what products with nine queries cost."""
