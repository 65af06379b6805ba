"""What will be done, as data: pure functions from a `Site` to stages of steps. Nothing here touches a host."""
