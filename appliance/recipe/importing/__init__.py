"""Descriptions of sites that were written for other tools: sealer's Clusterfiles, Ansible inventories, tables. Pure."""
