"""Tables of a study from what a user already has: a file per kind of source. Photos are read by nobody here."""
