"""OCI registries (distribution-spec 1.1): credentials, a session with one of them, its repositories."""
