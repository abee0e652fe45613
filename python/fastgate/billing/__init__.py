"""What exchanges cost: the catalogue of public prices."""
