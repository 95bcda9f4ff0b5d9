"""Feature vectors of a study: one per photo from a frozen encoder, or read from files that someone else computed."""
