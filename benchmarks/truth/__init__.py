"""Counterfactual truth: what training without a photo or a visit really does, beside what every score foretold."""
