"""The web application of reading rounds, on Django: accounts, sessions, forms and the database are Django's."""
