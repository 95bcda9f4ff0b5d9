"""Recording and reading back a training loop that is not ours."""
