"""What is in a delivery, and what it was made from.

`layer` reads one layer front to back, `shelf` keeps what it found, `tree` lays the findings over each other; `dpkg`,
`apk`, `rpm`, `wheels`, `debs` read one kind of package database or file each. `cyclonedx` writes the SBOM, `statement`
the provenance, `sourcelist` the list of source packages: for packagers. `listing` reads an SBOM where it arrives.
"""
