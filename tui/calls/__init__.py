"""What the guide asks of the engine; all of it may take long, and is called from a `Job` and not by a screen."""
