"""The operator's guide on a terminal: it edits a Clusterfile and watches a run."""
