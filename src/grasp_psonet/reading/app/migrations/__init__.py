"""How the database becomes what the models say."""
