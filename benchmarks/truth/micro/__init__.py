"""The micro study: scores against retraining without a photo or a visit."""
