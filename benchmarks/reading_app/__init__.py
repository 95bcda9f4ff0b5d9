"""The reading app under load, and killed."""
