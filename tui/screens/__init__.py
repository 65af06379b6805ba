"""The screens: each shows the session and asks for changes of it; rules live elsewhere."""
