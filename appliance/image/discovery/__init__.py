"""Which container images a tree of files needs: walk → documents, lists, charts → references, each with its why."""
