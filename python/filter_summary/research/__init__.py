"""Training of Filter Summary networks (FSNet, arXiv 1902.03264) and export to the `filter-summary` network format."""
