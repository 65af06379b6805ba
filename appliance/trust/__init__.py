"""Who signed what, and whom we believe: keys, certificate authorities, signatures, policy."""
