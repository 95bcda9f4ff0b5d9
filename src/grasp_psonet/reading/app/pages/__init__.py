"""What a browser asks for: one file per role, and what all of them share."""
