"""Which hosts there are, what they are, and whether they are fit."""
