"""How well the audit's rankings find what a second reading would find (``make bench-audit``)."""
