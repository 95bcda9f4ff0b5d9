"""Every stage as it is declared: what it depends on, and what makes it, without loading torch or pandas."""
