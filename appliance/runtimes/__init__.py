"""Ways to make hosts run what an image holds. Nobody imports them: they are found by their entry points."""
