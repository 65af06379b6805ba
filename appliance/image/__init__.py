"""The layered, content-addressed cluster image: an OCI image index that any registry takes as it is."""
