"""Predictions of every visit by models that did not see its patient, and the probe that makes them."""
