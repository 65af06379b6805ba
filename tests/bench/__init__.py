"""What is measured, against whom: `scripts/bench [NAME…]`.

`sides` runs both sides in turns and keeps what each took; `material` makes what they work on, with the commands that a
user has; a module a benchmark says who the peers are and what is to be reached; `result` prints and writes it.
Nothing here is asserted, and no test depends on it.
"""
