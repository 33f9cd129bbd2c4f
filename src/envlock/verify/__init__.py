"""A lock held against an observation: rules and findings."""
